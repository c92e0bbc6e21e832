"""What linters of template.yaml do not know: that its parts fit each other, and the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve import telemetry
from serve.errors import INTERNAL_ERROR
from serve.invocation import from_context
from serve.model.classifier import Prediction
from serve.settings import Settings

# Measured, in docs/deployment.md: the greediest photo that is taken, once, and in all eight threads of a batch.
PEAK_MEMORY_MB = {"ClassifyFunction": 275, "ClassifyUploadsFunction": 1750}

# What each call of serve/s3/storage.py needs, on which bucket (Amazon S3 User Guide, "Required permissions for
# Amazon S3 API operations"). ListBucket, because without it a missing object looks like a forbidden one.
SOURCE = {"get_object": {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"}}
TAGGING = {
    "get_object_tagging": {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
    "put_object_tagging": {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
}
RESULTS = {"get_object": {"s3:GetObject", "s3:ListBucket"}, "put_object": {"s3:PutObject"}}

Properties = dict[str, Any]


class CloudFormationLoader(yaml.SafeLoader):
    """Reads !Ref X as {"Ref": "X"}, !GetAtt A.B as {"Fn::GetAtt": ["A", "B"]}, and so on."""


def tagged(loader: Any, suffix: str, node: Any) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".") if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


CloudFormationLoader.add_multi_constructor("!", tagged)


@pytest.fixture(scope="module")
def template(root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(  # a SafeLoader by inheritance
        (root / "template.yaml").read_text(encoding="utf-8"), Loader=CloudFormationLoader
    )
    return loaded


def properties(template: dict[str, Any], name: str) -> Properties:
    found: Properties = template["Resources"][name]["Properties"]
    return found


def of_type(template: dict[str, Any], kind: str) -> dict[str, Properties]:
    return {name: r["Properties"] for name, r in template["Resources"].items() if r["Type"] == kind}


def default(template: dict[str, Any], value: Any) -> str:
    """The value of an environment variable when every parameter is left alone."""
    if isinstance(value, dict):
        (reference,) = value.values()
        value = template["Parameters"][reference]["Default"]
    return str(value)


def variables(template: dict[str, Any], function: str) -> dict[str, Any]:
    common: dict[str, Any] = template["Globals"]["Function"]["Environment"]["Variables"]
    own: dict[str, Any] = properties(template, function).get("Environment", {}).get("Variables", {})
    return common | own


def statements(template: dict[str, Any], role: str) -> list[tuple[set[str], list[str], bool]]:
    """(actions, resources, whether under a condition) of all that a role may do. Resources are put as text."""
    found = []
    for policy in properties(template, role)["Policies"]:
        for entry in policy["PolicyDocument"]["Statement"]:
            statement = entry["Fn::If"][1] if "Fn::If" in entry else entry
            assert statement["Effect"] == "Allow"
            actions, resources = statement["Action"], statement["Resource"]
            found.append(
                (
                    set(actions if isinstance(actions, list) else [actions]),
                    [as_text(each) for each in (resources if isinstance(resources, list) else [resources])],
                    "Fn::If" in entry,
                )
            )
    return found


def as_text(resource: Any) -> str:
    if isinstance(resource, dict):
        (value,) = resource.values()
        return "${" + ".".join(value) + "}" if isinstance(value, list) else str(value)
    return str(resource)


def test_the_environment_is_all_of_the_settings_with_their_defaults(template: dict[str, Any]) -> None:
    names = {name.upper() for name in Settings._fields}
    environment = variables(template, "ClassifyFunction")
    assert set(environment) == names | {"AWS_ENDPOINT_URL_S3"}
    given = {name: default(template, value) for name, value in environment.items()}
    assert given.pop("MODEL_PATH") == "/var/task/models/cats_dogs.tflite"
    assert Settings.from_env(given) == Settings()


def test_the_uploads_function_differs_in_two_settings_only(template: dict[str, Any]) -> None:
    api, uploads = variables(template, "ClassifyFunction"), variables(template, "ClassifyUploadsFunction")
    assert {name for name in api.keys() | uploads.keys() if api.get(name) != uploads.get(name)} == {
        "RESULTS_BUCKET",
        "FETCH_ENABLED",
    }
    assert uploads["RESULTS_BUCKET"] == {"Ref": "ResultsBucket"}


def test_parameters_take_their_defaults_and_say_what_they_are(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name
        if "AllowedValues" in parameter:
            assert parameter["Default"] in parameter["AllowedValues"], name
        if parameter["Type"] == "Number" and "MinValue" in parameter:
            assert parameter["MinValue"] <= parameter["Default"] <= parameter.get("MaxValue", parameter["Default"]), (
                name
            )


def test_every_parameter_and_condition_is_used(template: dict[str, Any], root: Path) -> None:
    text = (root / "template.yaml").read_text(encoding="utf-8")
    body = text[text.index("\nRules:") :]
    for name in template["Parameters"]:
        assert re.search(rf"!Ref {name}\b|\${{{name}}}", body), name
    for name in template["Conditions"]:
        assert re.search(rf"!If \[{name},|!If\n +- {name}\n|Condition: {name}\n|!Condition {name}\b", body), name


def test_a_message_stays_invisible_while_it_is_tried(template: dict[str, Any]) -> None:
    """Six times the time-out and the batch window: AWS Lambda Developer Guide, "Creating and configuring an Amazon SQS
    event source mapping".
    """
    function = properties(template, "ClassifyUploadsFunction")
    event = function["Events"]["Uploads"]["Properties"]
    queue = properties(template, "UploadQueue")
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"] + event["MaximumBatchingWindowInSeconds"]
    # All five tries fit into the time that a message is kept.
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert tries == 5
    assert tries * queue["VisibilityTimeout"] < queue["MessageRetentionPeriod"]
    assert queue["MessageRetentionPeriod"] < properties(template, "UploadDeadLetterQueue")["MessageRetentionPeriod"]


def test_uploads_flow_to_the_function_and_what_fails_to_the_dead_letter_queue(template: dict[str, Any]) -> None:
    bucket = properties(template, "UploadBucket")
    (notification,) = bucket["NotificationConfiguration"]["QueueConfigurations"]
    assert notification["Queue"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert notification["Event"] == "s3:ObjectCreated:*"
    assert template["Resources"]["UploadBucket"]["DependsOn"] == "UploadQueuePolicy"
    assert properties(template, "UploadQueue")["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["UploadDeadLetterQueue", "Arn"]
    }
    (event,) = properties(template, "ClassifyUploadsFunction")["Events"].values()
    assert event["Type"] == "SQS"
    assert event["Properties"]["Queue"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert event["Properties"]["ScalingConfig"]["MaximumConcurrency"] == {"Ref": "UploadsConcurrency"}
    # Results are in a bucket that triggers nothing.
    assert "NotificationConfiguration" not in properties(template, "ResultsBucket")


def test_permissions_are_what_the_code_calls_and_no_more(template: dict[str, Any], root: Path) -> None:
    storage = (root / "serve" / "s3" / "storage.py").read_text(encoding="utf-8")
    calls = set(re.findall(r"(?:client\(\)\.|_ask\(\")(\w+)", storage))
    assert calls == SOURCE.keys() | RESULTS.keys() | TAGGING.keys()
    allowed: dict[tuple[str, bool], set[str]] = {}
    for actions, resources, conditional in statements(template, "ClassifyUploadsRole"):
        for resource in resources:
            for bucket in re.findall(r"(\w+Bucket)\.Arn", resource):
                at_object = "/" in resource
                assert all((action == "s3:ListBucket") != at_object for action in actions), (actions, resource)
                allowed.setdefault((bucket, conditional), set()).update(actions)
    assert allowed == {
        ("UploadBucket", False): set().union(*SOURCE.values()),
        ("UploadBucket", True): set().union(*TAGGING.values()),
        ("ResultsBucket", False): set().union(*RESULTS.values()),
    }


@pytest.mark.parametrize(
    ("role", "logs", "services"),
    [
        ("ClassifyRole", "ClassifyLogs", {"logs", "xray"}),
        ("ClassifyUploadsRole", "ClassifyUploadsLogs", {"logs", "xray", "sqs", "s3"}),
    ],
)
def test_a_role_reaches_its_own_resources_only(
    template: dict[str, Any], role: str, logs: str, services: set[str]
) -> None:
    seen = set()
    for actions, resources, _conditional in statements(template, role):
        seen |= {action.split(":")[0] for action in actions}
        assert not any("*" in action for action in actions)
        for resource in resources:
            # X-Ray knows no resources.
            assert resource != "*" or all(action.startswith("xray:") for action in actions)
            if any(action.startswith("logs:") for action in actions):
                assert resource == "${" + logs + ".Arn}"
            if any(action.startswith("sqs:") for action in actions):
                assert resource == "${UploadQueue.Arn}"
                # What an event source mapping calls: AWS Lambda Developer Guide, "Execution role permissions".
                assert actions == {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    assert seen == services


def test_each_function_has_its_role_its_log_and_the_one_image(template: dict[str, Any]) -> None:
    for function, role, logs in (
        ("ClassifyFunction", "ClassifyRole", "ClassifyLogs"),
        ("ClassifyUploadsFunction", "ClassifyUploadsRole", "ClassifyUploadsLogs"),
    ):
        assert properties(template, function)["Role"] == {"Fn::GetAtt": [role, "Arn"]}
        assert properties(template, function)["LoggingConfig"]["LogGroup"] == {"Ref": logs}
    one, other = (resource["Metadata"] for resource in template["Resources"].values() if "Metadata" in resource)
    assert one == other


def test_time_outs_nest(template: dict[str, Any]) -> None:
    """Fetching ends before the function does, and the function before API Gateway: 30 s for an HTTP API."""
    api = properties(template, "ClassifyFunction")["Timeout"]
    assert float(variables(template, "ClassifyFunction")["FETCH_TIMEOUT_S"]) * 2 < api < 30


def test_memory_is_more_than_the_measured_peak(template: dict[str, Any]) -> None:
    for function, peak_mb in PEAK_MEMORY_MB.items():
        memory = properties(template, function)["MemorySize"]
        assert peak_mb * 1.2 < memory
        assert memory % 1769 == 0  # Lambda gives a whole vCPU for each 1,769 MB


def test_the_api_has_the_routes_and_only_calls_the_function(template: dict[str, Any], root: Path) -> None:
    paths = properties(template, "HttpApi")["DefinitionBody"]["paths"]
    routes = {(path, method) for path, methods in paths.items() for method in methods}
    assert routes == {
        ("/predict", "post"),
        ("/predict", "options"),
        ("/health", "get"),
        ("/docs", "get"),
        ("/openapi.json", "get"),
        ("/", "get"),
    }
    for methods in paths.values():
        for operation in methods.values():
            integration = operation["x-amazon-apigateway-integration"]
            assert integration["payloadFormatVersion"] == "2.0"
            assert "${ClassifyFunction.Arn}:live/invocations" in integration["uri"]["Fn::Sub"]
    permission = properties(template, "ApiMayInvoke")
    assert permission["FunctionName"] == {"Ref": "ClassifyFunction.Alias"}
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/*")
    assert template["Globals"]["Function"]["AutoPublishAlias"] == "live"


def test_the_api_is_throttled_signed_on_request_and_logged_without_query_strings(template: dict[str, Any]) -> None:
    api = properties(template, "HttpApi")
    throttle = api["DefaultRouteSettings"]
    assert throttle["ThrottlingRateLimit"] == {"Ref": "ApiThrottleRate"}
    assert throttle["ThrottlingBurstLimit"] == {"Ref": "ApiThrottleBurst"}
    assert "$context.routeKey" in api["AccessLogSettings"]["Format"]
    assert not re.search(r"\$context\.(path|querystring)", api["AccessLogSettings"]["Format"], re.IGNORECASE)
    body = api["DefinitionBody"]
    assert body["paths"]["/predict"]["post"]["security"] == {"Fn::If": ["IamAuthorization", [{"AWS_IAM": []}], []]}
    assert "AWS_IAM" in body["components"]["securitySchemes"]


def test_buckets_and_queues_refuse_plain_http_and_what_they_hold_is_encrypted(template: dict[str, Any]) -> None:
    for kind, policies, of in (
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
    ):
        covered = set()
        for policy in of_type(template, policies).values():
            denied = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
            assert [s["Condition"] for s in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
            (reference,) = policy[of] if isinstance(policy[of], list) else [policy[of]]
            covered.add(reference["Ref"])
            assert all(f"{reference['Ref']}.Arn" in as_text(r) for r in listed(denied[0]["Resource"]))
        assert covered == of_type(template, kind).keys()
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule.keys() >= {"ExpirationInDays", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}
        # Whoever removes the stack keeps the photos and results.
        assert template["Resources"][name]["DeletionPolicy"] == "Retain"
    assert all(queue["SqsManagedSseEnabled"] is True for queue in of_type(template, "AWS::SQS::Queue").values())
    assert all(log["RetentionInDays"] for log in of_type(template, "AWS::Logs::LogGroup").values())


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_what_goes_wrong_raises_an_alarm(template: dict[str, Any]) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    watched = {
        (alarm["MetricName"], as_text(dimension["Value"]).split(".")[0].strip("${}"))
        for alarm in alarms.values()
        for dimension in alarm["Dimensions"]
    }
    assert watched == {
        ("Errors", "ClassifyFunction"),
        ("Throttles", "ClassifyFunction"),
        ("5xx", "HttpApi"),
        ("Latency", "HttpApi"),
        ("errors", "internal-error"),
        ("errors", "ClassifyFunction"),
        ("errors", "ClassifyUploadsFunction"),
        ("Errors", "ClassifyUploadsFunction"),
        ("Throttles", "ClassifyUploadsFunction"),
        ("ApproximateAgeOfOldestMessage", "UploadQueue"),
        ("ApproximateNumberOfMessagesVisible", "UploadDeadLetterQueue"),
    }
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert ("Statistic" in alarm) != ("ExtendedStatistic" in alarm)


def emitted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[tuple[str, frozenset[str]]]:
    """The metrics and dimensions of a log line that has all of them, with the function's name in a dimension."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "a-stack-classify")
    record = telemetry.Record(from_context(None), source="http-api")
    record.add_prediction(Prediction("cat", 0.1, False, "v1", 1.0, 2.0))
    record.add_bug(ValueError())
    record.emit()
    line = json.loads(capsys.readouterr().out)
    assert line["function"] == "a-stack-classify"
    return {
        (metric["Name"], frozenset(dimensions))
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
        if all(name in line for name in dimensions)
    }


def test_alarms_and_dashboard_use_the_metrics_that_the_code_emits(
    template: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = emitted(monkeypatch, capsys)
    alarms = [
        alarm
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm["Namespace"] == telemetry.NAMESPACE
    ]
    assert len(alarms) == 2
    for alarm in alarms:
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
        assert (alarm["MetricName"], frozenset(dimensions)) in known
        assert dimensions["error"] == str(INTERNAL_ERROR["type"]).rpartition(":")[2]
    dashboard = json.loads(properties(template, "Dashboard")["DashboardBody"]["Fn::Sub"])
    searches = re.findall(r"SEARCH\('\{(\w+),([\w,]+)\} MetricName=(\w+) function=\((.+?)\)'", json.dumps(dashboard))
    assert len(searches) == 4
    for namespace, dimensions, metric, functions in searches:
        assert namespace == telemetry.NAMESPACE
        assert (metric, frozenset(dimensions.split(","))) in known
        assert set(re.findall(r"\w+Function", functions)) == {"ClassifyFunction", "ClassifyUploadsFunction"}


def test_two_stacks_share_no_metric(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert all("function" in dimensions for _metric, dimensions in emitted(monkeypatch, capsys))


def test_outputs_name_what_exists(template: dict[str, Any]) -> None:
    names = template["Resources"].keys() | template["Parameters"].keys()
    for output in template["Outputs"].values():
        for reference in re.findall(r"\${(\w+)[.}]", str(output["Value"])):
            assert reference == "AWS" or reference in names
    assert "curl -F file=@examples/cat.jpg" in template["Outputs"]["TryUpload"]["Value"]["Fn::Sub"]
