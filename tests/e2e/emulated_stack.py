"""template.yaml in moto, which knows no SAM, no outputs of nested stacks and no aliases: these are made here."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stacks.cloudformation import Meaning, Template

NAME = "cats-vs-dogs"

# What moto has no model of in CloudFormation: it makes nothing of these, and what they do is not tested here.
LACKING = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Stage",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Budgets::Budget",
    "AWS::CertificateManager::Certificate",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EC2::NetworkAcl",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::SubnetNetworkAclAssociation",
    "AWS::Lambda::Alias",  # made through Lambda's API
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
}


@dataclass
class Deployed:
    """What moto made.

    Attributes:
        outputs: of the nested stacks, by "Name.Output".
        physical: the IDs of the main stack's resources, by their logical IDs.
        lacking: the types of resources that moto has no model of.
        reads: the function that reads from each queue.
    """

    outputs: dict[str, str] = field(default_factory=dict)
    physical: dict[str, Any] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=set)
    reads: dict[str, str] = field(default_factory=dict)


def deploy(
    client: Any, functions: Any, translated: Template, nested: dict[str, Template], parameters: dict[str, str]
) -> Deployed:
    """Create the main stack and its nested ones, in the order that they need each other.

    Args:
        client: of CloudFormation.
        functions: client of Lambda.
        translated: the main template, as SAM translated it.
        nested: the other templates, by the names of their files.
        parameters: of the main template.
    """
    done = Deployed()
    asked = {
        name: each["Properties"]
        for name, each in Meaning(translated, parameters).resources().items()
        if each["Type"] == "AWS::CloudFormation::Stack"
    }
    while ready := {name: each for name, each in asked.items() if _known(done, each["Parameters"])}:
        for name, each in ready.items():
            _create_nested(client, done, name, nested[Path(each["TemplateURL"]).stem], each["Parameters"])
            del asked[name]
    resources = Meaning(translated, parameters).resources()
    own = {name: each for name, each in resources.items() if each["Type"] != "AWS::CloudFormation::Stack"}
    aliases = {name: each["Properties"] for name, each in own.items() if each["Type"] == "AWS::Lambda::Alias"}
    done.physical = {name: {"Fn::GetAtt": [each["FunctionName"]["Ref"], "Arn"]} for name, each in aliases.items()}
    _create(client, done, NAME, own, {})
    for name, each in aliases.items():
        function = done.physical[each["FunctionName"]["Ref"]]
        version = functions.list_versions_by_function(FunctionName=function)["Versions"][-1]["Version"]
        made = functions.create_alias(FunctionName=function, Name=each["Name"], FunctionVersion=version)
        done.physical[name] = made["AliasArn"]
    for name, each in asked.items():
        _create_nested(client, done, name, nested[Path(each["TemplateURL"]).stem], each["Parameters"])
    return done


def _known(done: Deployed, value: Any) -> bool:
    return not re.search(r"'(Ref|Fn::\w+)':", str(_put(done, value)))


def _put(done: Deployed, value: Any) -> Any:
    """The value with all that is known of other stacks and resources."""
    if isinstance(value, list):
        return [_put(done, each) for each in value]
    if isinstance(value, dict):
        if "Fn::GetAtt" in value and ".".join(value["Fn::GetAtt"]).replace(".Outputs.", ".") in done.outputs:
            return done.outputs[".".join(value["Fn::GetAtt"]).replace(".Outputs.", ".")]
        if value.get("Ref") in done.physical:
            return done.physical[value["Ref"]]
        return {key: _put(done, each) for key, each in value.items()}
    if isinstance(value, str):
        return re.sub(
            r"\${(\w+)\.Outputs\.(\w+)}", lambda found: done.outputs.get(f"{found[1]}.{found[2]}", found[0]), value
        )
    return value


def _create(client: Any, done: Deployed, name: str, resources: Template, outputs: Template) -> dict[str, str]:
    """Create one stack; gives its outputs. Conditions are evaluated, because moto keeps AWS::NoValue in lists."""
    absent = {logical for logical, each in resources.items() if each["Type"] in LACKING}
    resources, outputs = _without_attributes_of(absent, resources), _without_attributes_of(absent, outputs)
    for each in resources.values():
        if each["Type"] == "AWS::KMS::Key":
            del each["Properties"]["Tags"]  # moto reads them as those of KMS's own calls, and fails
    client.create_stack(
        StackName=name,
        TemplateBody=json.dumps(_put(done, {"Resources": resources, "Outputs": outputs})),
        Capabilities=["CAPABILITY_IAM"],
    )
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    made = client.describe_stack_resources(StackName=name)["StackResources"]
    # What moto has no model of is there too, without a name.
    names = {each["LogicalResourceId"]: each.get("PhysicalResourceId") for each in made if "LogicalResourceId" in each}
    done.lacking |= {each["Type"] for logical, each in resources.items() if logical not in names}
    if name == NAME:
        done.physical |= {logical: names.get(logical) or logical for logical in resources}
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def _without_attributes_of(absent: set[str], value: Any) -> Any:
    """The value with names in place of attributes that nothing has."""
    if isinstance(value, list):
        return [_without_attributes_of(absent, each) for each in value]
    if isinstance(value, dict):
        if value.get("Fn::GetAtt", [""])[0] in absent:
            return ".".join(value["Fn::GetAtt"])
        return {key: _without_attributes_of(absent, each) for key, each in value.items()}
    return value


def _create_nested(client: Any, done: Deployed, name: str, template: Template, parameters: dict[str, Any]) -> None:
    meaning = Meaning(template, {key: str(value) for key, value in _put(done, parameters).items()})
    outputs = _create(client, done, f"{NAME}-{name}", meaning.resources(), meaning.outputs())
    done.outputs |= {f"{name}.{key}": value for key, value in outputs.items()}
