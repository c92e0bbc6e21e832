"""What is off by default: warm environments, a network, a domain, CloudFront with WAF."""

from ipaddress import ip_network
from typing import Any

import pytest

from tests.stacks.cloudformation import Meaning, Template

ALIAS = "arn:aws:lambda:us-east-1:123456789012:function:the-function:live"
SCHEDULE = {"Start": "cron(0 7 ? * MON-FRI *)", "Stop": "cron(0 19 ? * MON-FRI *)"}


def warm(stacks: dict[str, Template], most: str, schedule: dict[str, str]) -> dict[str, Any]:
    given = {"AliasArn": ALIAS, "Least": "2", "Most": most, "Start": "", "Stop": ""}
    return Meaning(stacks["warm"], given | schedule).resources()


def test_warm_environments_follow_the_load(stacks: dict[str, Template]) -> None:
    resources = warm(stacks, "5", {})
    target = resources["Environments"]["Properties"]
    assert target["ResourceId"] == "function:the-function:live"
    assert (target["MinCapacity"], target["MaxCapacity"]) == ("2", "5")
    assert "ScheduledActions" not in target
    tracking = resources["Utilization"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 0.7


@pytest.mark.parametrize(("most", "largest"), [("0", "2"), ("5", "5")])
def test_warm_environments_keep_hours(stacks: dict[str, Template], most: str, largest: str) -> None:
    resources = warm(stacks, most, SCHEDULE)
    target = resources["Environments"]["Properties"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (0, 0)
    start, stop = target["ScheduledActions"]
    assert (start["Schedule"], stop["Schedule"]) == (SCHEDULE["Start"], SCHEDULE["Stop"])
    assert start["ScalableTargetAction"] == {"MinCapacity": "2", "MaxCapacity": largest}
    assert stop["ScalableTargetAction"] == {"MinCapacity": 0, "MaxCapacity": 0}
    assert ("Utilization" in resources) == (most != "0")


@pytest.mark.parametrize("parameters", [{}, {"Most": "5"}, SCHEDULE], ids=["fixed", "by load", "by hours"])
def test_a_number_is_fixed_or_scaled_and_never_both(template: Template, parameters: dict[str, str]) -> None:
    """A deployment would set a fixed number back that scaling has changed."""
    given = {"ProvisionedConcurrency": "2", "ImageUri": ""}
    given |= {f"ProvisionedConcurrency{name.replace('Most', 'Max')}": value for name, value in parameters.items()}
    resources = Meaning(template, given).resources()
    fixed = "ProvisionedConcurrencyConfig" in resources["ClassifyFunction"]["Properties"]
    assert fixed == (not parameters)
    assert ("Warm" in resources) == bool(parameters)


def test_the_network_lets_out_to_public_web_ports_only(stacks: dict[str, Template]) -> None:
    resources = Meaning(stacks["network"], {"Name": "cats-vs-dogs", "Cidr": "10.20.0.0/24"}).resources()
    egress = resources["FunctionSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    assert sorted((each["FromPort"], each["ToPort"], each["IpProtocol"]) for each in egress) == [
        (80, 80, "tcp"),
        (443, 443, "tcp"),
    ]
    entries = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::EC2::NetworkAclEntry"]
    out = sorted((each for each in entries if each.get("Egress")), key=lambda each: int(each["RuleNumber"]))
    assert [each["RuleAction"] for each in out] == ["deny"] * (len(out) - 1) + ["allow"]
    denied = [ip_network(each["CidrBlock"]) for each in out[:-1]]
    for private in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"):
        assert ip_network(private) in denied
    assert not any("SecurityGroupIngress" in each.get("Properties", {}) for each in resources.values())


@pytest.mark.parametrize("cidr", ["10.20.0.0/24", "10.20.0.0/16"])
def test_the_networks_parts_are_in_it_and_apart(stacks: dict[str, Template], cidr: str) -> None:
    resources = Meaning(stacks["network"], {"Name": "cats-vs-dogs", "Cidr": cidr}).resources()
    parts = [
        ip_network(each["Properties"]["CidrBlock"]) for each in resources.values() if each["Type"] == "AWS::EC2::Subnet"
    ]
    assert len(parts) == len(set(parts)) == 3
    assert all(part.subnet_of(ip_network(cidr)) for part in parts)  # type: ignore[arg-type]


def test_the_front_limits_each_client_and_is_where_cloudfront_looks(stacks: dict[str, Template]) -> None:
    front = stacks["front"]
    given = {"ApiHost": "abc.execute-api.eu-central-1.amazonaws.com", "RequestsPerClient": "77"}
    assert Meaning(front, given).broken_rules() == []
    elsewhere = {name: rule for name, rule in front["Rules"].items() if "RuleCondition" not in rule}
    ((assertion,),) = (rule["Assertions"] for rule in elsewhere.values())
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}
    resources = Meaning(front, given).resources()
    limit = resources["Limits"]["Properties"]["Rules"][0]
    assert limit["Action"] == {"Block": {}}
    assert limit["Statement"]["RateBasedStatement"]["Limit"] == "77"
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    assert distribution["WebACLId"] == {"Fn::GetAtt": ["Limits", "Arn"]}
    assert distribution["Origins"][0]["DomainName"] == given["ApiHost"]
    assert "Aliases" not in distribution
    assert Meaning(front, given | {"DomainName": "pets.example.org"}).broken_rules() == [
        "DomainName needs HostedZoneId."
    ]


def test_with_a_domain_the_apis_own_address_is_switched_off(template: Template) -> None:
    for domain, closed in (("", False), ("pets.example.org", True)):
        meaning = Meaning(template, {"DomainName": domain})
        assert meaning.resources()["HttpApi"]["Properties"]["DisableExecuteApiEndpoint"] is closed
        url = meaning.outputs()["ApiUrl"]["Value"]
        assert url == (f"https://{domain}" if domain else {"Fn::GetAtt": ["HttpApi", "ApiEndpoint"]})
