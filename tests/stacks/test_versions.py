"""A parameter reaches production: a function's version changes with each value that reaches it, and only then."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.stacks.cloudformation import Meaning, Template
from tests.stacks.conftest import IMAGE, OTHER

FUNCTIONS = ("ClassifyFunction", "ClassifyUploadsFunction", "ClassifyBacklogFunction")
# Of a function as a whole: no version holds a copy, a change is effective at once, and Lambda publishes no version of a
# function that has not changed otherwise ("Manage Lambda function versions" in its Developer Guide).
OF_NO_VERSION = {"ReservedConcurrentExecutions"}

Translate = Callable[[list[dict[str, str]]], list[Template]]
# For each function, that all of them exist.
BASE = {"BacklogBuckets": "photos", "ImageUri": IMAGE}


class Deployed:
    """What CloudFormation would make of one set of parameters."""

    def __init__(self, translated: Template, parameters: dict[str, str]) -> None:
        self.resources = Meaning(translated, BASE | parameters).resources()

    def configuration(self, function: str) -> dict[str, Any]:
        """What a version is a copy of."""
        properties = self.resources[function]["Properties"]
        return {name: value for name, value in properties.items() if name not in OF_NO_VERSION}

    def version(self, function: str) -> tuple[str, Any]:
        """A version is replaced when its logical ID or its description changes."""
        ((name, resource),) = (
            (name, each)
            for name, each in self.resources.items()
            if each["Type"] == "AWS::Lambda::Version" and each["Properties"]["FunctionName"] == {"Ref": function}
        )
        return name, resource["Properties"]["Description"]


@pytest.fixture(scope="module")
def deployed(translate: Translate) -> dict[str, Deployed]:
    """By the parameter that has its other value; "": none."""
    sets: dict[str, dict[str, str]] = {"": {}} | {name: {name: value} for name, value in OTHER.items()}
    translated = translate([BASE | each for each in sets.values()])
    return {name: Deployed(one, sets[name]) for name, one in zip(sets, translated, strict=True)}


def test_each_parameter_has_another_value(template: Template) -> None:
    assert OTHER.keys() == template["Parameters"].keys()
    assert all(OTHER[name] != str(each["Default"]) for name, each in template["Parameters"].items())


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("parameter", OTHER)
def test_a_version_follows_each_value_that_reaches_the_function(
    deployed: dict[str, Deployed], parameter: str, function: str
) -> None:
    before, after = deployed[""], deployed[parameter]
    reached = before.configuration(function) != after.configuration(function)
    assert (before.version(function) != after.version(function)) == reached


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        ("ClassifyFunction", {"FetchEnabled", "UrlAllowedHosts", "CorsAllowOrigin", "VpcCidr"}),
        ("ClassifyUploadsFunction", {"ResultsPrefix", "ResultTags", "S3EndpointUrl"}),
        ("ClassifyBacklogFunction", {"ResultsPrefix", "ResultTags", "S3EndpointUrl"}),
    ],
)
def test_these_values_reach_a_function(deployed: dict[str, Deployed], function: str, parameters: set[str]) -> None:
    common = {"Architecture", "LogLevel", "MaxImageBytes", "CustomerManagedKey", "ImageUri"}
    assert {
        name for name, each in deployed.items() if each.configuration(function) != deployed[""].configuration(function)
    } == common | parameters


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_longest_values_fit_into_a_versions_description(template: Template, function: str) -> None:
    """256 characters: the CloudFormation reference of AWS::Lambda::Version."""
    longest = {name: "x" * longest_value(each) for name, each in template["Parameters"].items()}
    description = Meaning(template, longest).of(template["Resources"][function]["Properties"]["VersionDescription"])
    assert len(description) <= 256


def longest_value(parameter: dict[str, Any]) -> int:
    if "AllowedValues" in parameter:
        return max(len(str(value)) for value in parameter["AllowedValues"])
    if "MaxValue" in parameter:
        return len(str(parameter["MaxValue"]))
    # An IPv4 network, as VpcCidr's pattern says.
    return int(parameter.get("MaxLength", 18 if "/(1[6-9]" in parameter.get("AllowedPattern", "") else 1000))


def test_a_former_version_stays_to_go_back_to(translate: Translate) -> None:
    (translated,) = translate([BASE])
    versions = [each for each in translated["Resources"].values() if each["Type"] == "AWS::Lambda::Version"]
    assert len(versions) == 3
    for version in versions:
        assert version["DeletionPolicy"] == version["UpdateReplacePolicy"] == "Retain"
