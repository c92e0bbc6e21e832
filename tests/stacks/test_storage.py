"""Buckets and queues: private, encrypted, kept, and connected to each other and to the function."""

from typing import Any

from tests.stacks.cloudformation import Meaning, Template


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: r["Properties"] for name, r in template["Resources"].items() if r["Type"] == kind}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_a_message_stays_invisible_while_it_is_tried(template: Template, stacks: dict[str, Template]) -> None:
    """Six times the time-out and the batch window: AWS Lambda Developer Guide, "Creating and configuring an Amazon SQS
    event source mapping".
    """
    queues = of_type(stacks["storage"], "AWS::SQS::Queue")
    function = template["Resources"]["ClassifyUploadsFunction"]["Properties"]
    event = function["Events"]["Uploads"]["Properties"]
    queue = queues["UploadQueue"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + event["MaximumBatchingWindowInSeconds"]
    # All five tries fit into the time that a message is kept.
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert tries == 5
    assert tries * queue["VisibilityTimeout"] < queue["MessageRetentionPeriod"]
    assert queue["MessageRetentionPeriod"] < queues["UploadDeadLetterQueue"]["MessageRetentionPeriod"]


def test_uploads_flow_to_the_function_and_what_fails_to_the_dead_letter_queue(
    template: Template, stacks: dict[str, Template]
) -> None:
    resources = stacks["storage"]["Resources"]
    notifications = resources["UploadBucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert all(notification["Queue"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]} for notification in notifications)
    events = {notification["Event"] for notification in notifications}
    assert events == {"s3:ObjectCreated:*", "s3:ObjectRestore:Completed"}
    assert resources["UploadBucket"]["DependsOn"] == "UploadQueuePolicy"
    assert resources["UploadQueue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["UploadDeadLetterQueue", "Arn"]
    }
    (event,) = template["Resources"]["ClassifyUploadsFunction"]["Properties"]["Events"].values()
    assert event["Type"] == "SQS"
    assert event["Properties"]["Queue"] == {"Fn::GetAtt": ["Storage", "Outputs.UploadQueueArn"]}
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert event["Properties"]["ScalingConfig"]["MaximumConcurrency"] == {"Ref": "UploadsConcurrency"}
    # Results are in a bucket that triggers nothing.
    assert "NotificationConfiguration" not in resources["ResultsBucket"]["Properties"]


def test_buckets_and_queues_refuse_plain_http(stacks: dict[str, Template]) -> None:
    for stack in (stacks["storage"], stacks["pipeline"]):
        for kind, policies, of in (
            ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
            ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
        ):
            covered = set()
            for policy in of_type(stack, policies).values():
                denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
                assert [s["Condition"] for s in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
                (reference,) = listed(policy[of])
                covered.add(reference["Ref"])
                for resource in listed(denied[0]["Resource"]):
                    assert reference["Ref"] in str(resource)
            assert covered == of_type(stack, kind).keys()


def test_buckets_are_private_versioned_and_stay_when_the_stack_goes(stacks: dict[str, Template]) -> None:
    for name, bucket in of_type(stacks["storage"], "AWS::S3::Bucket").items():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule.keys() >= {"ExpirationInDays", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}
        # A creation that fails leaves no bucket behind, whose successor could not be made.
        assert stacks["storage"]["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert stacks["storage"]["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_what_is_kept_is_encrypted_by_aws_or_by_a_key_of_ones_own(stacks: dict[str, Template]) -> None:
    for key, algorithm in (("", "AES256"), ("arn:aws:kms:us-east-1:123456789012:key/1", "aws:kms")):
        resources = Meaning(stacks["storage"], {"KeyArn": key}).resources()
        for resource in resources.values():
            properties = resource["Properties"]
            if resource["Type"] == "AWS::S3::Bucket":
                (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
                assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == algorithm
                assert rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID", "") == key
            if resource["Type"] == "AWS::SQS::Queue":
                assert properties.get("KmsMasterKeyId", "") == key
                assert properties.get("SqsManagedSseEnabled", False) == (not key)


def test_a_key_of_ones_own_stays_with_the_buckets_and_serves_who_must_use_it(stacks: dict[str, Template]) -> None:
    key = stacks["key"]["Resources"]["Key"]
    assert key["DeletionPolicy"] == "RetainExceptOnCreate"
    assert key["Properties"]["EnableKeyRotation"] is True
    principals = [str(each["Principal"]) for each in key["Properties"]["KeyPolicy"]["Statement"]]
    for service in ("logs.", "s3.amazonaws.com", "cloudwatch.amazonaws.com"):
        assert any(service in principal for principal in principals)
