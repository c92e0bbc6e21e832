"""What the roles may do: what the code calls, on the resources of their own path, and no more."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.cloudformation import Meaning, Template
from tests.stacks.test_storage import listed

# What each call of serve/s3/storage.py needs, on which bucket (Amazon S3 User Guide, "Required permissions for
# Amazon S3 API operations"). ListBucket, because without it a missing object looks like a forbidden one.
SOURCE = {
    "get_object": {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"},
    "list_object_versions": {"s3:ListBucketVersions"},
}
TAGGING = {
    "get_object_tagging": {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
    "put_object_tagging": {"s3:PutObjectTagging", "s3:PutObjectVersionTagging"},
}
RESULTS = {"get_object": {"s3:GetObject", "s3:ListBucket"}, "put_object": {"s3:PutObject"}}

GIVEN = {
    "Name": "cats-vs-dogs",
    "UploadBucketArn": "arn:aws:s3:::uploads",
    "ResultsBucketArn": "arn:aws:s3:::the-results",
    "UploadQueueArn": "arn:aws:sqs:us-east-1:123456789012:uploads",
    "BacklogBuckets": "old,older",
    "KeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
}


def allowed(stack: Template, role: str, **parameters: str) -> dict[str, set[str]]:
    """The actions of a role on each resource."""
    found: dict[str, set[str]] = {}
    for policy in Meaning(stack, GIVEN | parameters).resources()[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for resource in listed(statement["Resource"]):
                found.setdefault(as_text(resource), set()).update(listed(statement["Action"]))
    return found


def as_text(resource: Any) -> str:
    return resource if isinstance(resource, str) else ".".join(resource["Fn::GetAtt"])


def on_bucket(found: dict[str, set[str]], name: str) -> set[str]:
    actions: set[str] = set()
    for resource, some in found.items():
        if resource.removeprefix("arn:aws:s3:::").split("/")[0] == name:
            assert all(action.startswith("s3:ListBucket") != ("/" in resource) for action in some), (resource, some)
            actions |= some
    return actions


@pytest.mark.parametrize("tags", ["false", "true"])
@pytest.mark.parametrize(
    ("role", "sources"), [("ClassifyUploadsRole", ["uploads"]), ("ClassifyBacklogRole", ["old", "older"])]
)
def test_a_role_may_do_to_buckets_what_the_code_calls(
    stacks: dict[str, Template], root: Path, role: str, sources: list[str], tags: str
) -> None:
    storage = (root / "serve" / "s3" / "storage.py").read_text(encoding="utf-8")
    calls = set(re.findall(r"(?:client\(\)\.(?:get_paginator\(\")?|_ask\(\")(\w+)", storage))
    assert calls == SOURCE.keys() | RESULTS.keys() | TAGGING.keys()
    found = allowed(stacks["permissions"], role, ResultTags=tags)
    tagging: set[str] = set().union(*TAGGING.values()) if tags == "true" else set()
    for source in sources:
        assert on_bucket(found, source) == set().union(*SOURCE.values()) | tagging
    assert on_bucket(found, "the-results") == set().union(*RESULTS.values())


@pytest.mark.parametrize(
    ("role", "services"),
    [
        ("ClassifyRole", {"logs", "xray", "kms", "ec2"}),
        ("ClassifyUploadsRole", {"logs", "xray", "kms", "sqs", "s3"}),
        ("ClassifyBacklogRole", {"logs", "xray", "kms", "s3"}),
    ],
)
def test_a_role_reaches_its_own_resources_only(stacks: dict[str, Template], role: str, services: set[str]) -> None:
    found = allowed(stacks["permissions"], role, InVpc="true")
    assert {action.split(":")[0] for actions in found.values() for action in actions} == services
    for resource, actions in found.items():
        assert not any("*" in action for action in actions)
        if resource == "*":  # X-Ray and network interfaces know no resources
            assert all(action.startswith(("xray:", "ec2:")) for action in actions)
        if any(action.startswith("logs:") for action in actions):
            assert resource == role.removesuffix("Role") + "Logs.Arn"
        if any(action.startswith("sqs:") for action in actions):
            assert resource == GIVEN["UploadQueueArn"]
            # What an event source mapping calls: AWS Lambda Developer Guide, "Execution role permissions".
            assert actions == {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
        if any(action.startswith("kms:") for action in actions):
            assert resource == GIVEN["KeyArn"] or actions == {"kms:Decrypt"}


def test_optional_permissions_go_with_their_options(stacks: dict[str, Template]) -> None:
    found = allowed(stacks["permissions"], "ClassifyRole", InVpc="false", KeyArn="")
    actions = set().union(*found.values())
    assert {action for action in actions if not action.startswith(("logs:", "xray:"))} == {
        "kms:Decrypt", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"
    }  # fmt: skip
    without = Meaning(stacks["permissions"], GIVEN | {"BacklogBuckets": ""}).resources()
    assert not any("Backlog" in name for name in without)


@pytest.mark.parametrize("role", ["ClassifyRole", "ClassifyUploadsRole", "ClassifyBacklogRole"])
def test_what_a_former_key_has_encrypted_stays_readable(stacks: dict[str, Template], role: str) -> None:
    given = GIVEN | {"KeyArn": ""}
    properties = Meaning(stacks["permissions"], given).resources()[role]["Properties"]
    (found,) = (policy for policy in properties["Policies"] if policy["PolicyName"] == "former-key")
    (statement,) = found["PolicyDocument"]["Statement"]
    ((tag, value),) = statement["Condition"]["StringEquals"].items()
    key = Meaning(stacks["key"], given).resources()["Key"]["Properties"]
    assert key["Tags"] == [{"Key": tag.removeprefix("aws:ResourceTag/"), "Value": value}]
    assert statement["Action"] == ["kms:Decrypt"]


def test_a_batch_job_may_invoke_the_function_list_the_buckets_and_report(stacks: dict[str, Template]) -> None:
    found = allowed(stacks["batch"], "Role", FunctionArn="arn:function:live", KeyArn="")
    assert found == {
        "arn:function:live": {"lambda:InvokeFunction"},
        "arn:aws:s3:::the-results/_backlog/*": {"s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"},
        "arn:aws:s3:::the-results": {"s3:GetBucketLocation"},
        "arn:aws:s3:::old": {"s3:ListBucket", "s3:PutInventoryConfiguration"},
        "arn:aws:s3:::older": {"s3:ListBucket", "s3:PutInventoryConfiguration"},
    }
    role = Meaning(stacks["batch"], GIVEN).resources()["Role"]["Properties"]["AssumeRolePolicyDocument"]
    (statement,) = role["Statement"]
    assert statement["Principal"] == {"Service": "batchoperations.s3.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_the_workflow_may_deploy_these_stacks_only_and_from_one_repository_only(stacks: dict[str, Template]) -> None:
    given = {"GitHubRepository": "someone/cats", "StackName": "cats-vs-dogs"}
    role = Meaning(stacks["pipeline"], given).resources()["WorkflowRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    condition = trust["Condition"]["StringEquals"]
    assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    assert condition["token.actions.githubusercontent.com:sub"] == [
        "repo:someone/cats:ref:refs/heads/main",
        "repo:someone/cats:environment:staging",
        "repo:someone/cats:environment:production",
    ]
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            assert not any("*" in action for action in listed(statement["Action"]))
            if statement["Resource"] == "*":
                assert statement["Action"] == "ecr:GetAuthorizationToken"


def test_a_deployment_does_not_change_what_deployments_may_do(stacks: dict[str, Template]) -> None:
    """The documented name of the pipeline's stack begins like those of the stacks that it deploys."""
    given = {"GitHubRepository": "someone/cats", "StackName": "cats-vs-dogs"}
    resources = Meaning(stacks["pipeline"], given).resources()
    limits = resources["CloudFormationRoleLimits"]["Properties"]["PolicyDocument"]["Statement"]
    deploys = [
        statement
        for policy in resources["WorkflowRole"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    for statements in (limits, deploys):
        (own,) = (one for one in statements if one["Effect"] == "Deny" and "Action" in one)
        assert (own["Action"], own["Resource"]) == ("cloudformation:*", {"Ref": "AWS::StackId"})
    (roles,) = (one for one in limits if "NotAction" in one)
    assert roles["Effect"] == "Deny"
    assert roles["NotAction"] == ["iam:GetRole", "iam:PassRole"]
    assert [as_text(role) for role in roles["Resource"]] == ["CloudFormationRole.Arn", "WorkflowRole.Arn"]
