"""Enough of CloudFormation to say what a template means for given parameters: tags, functions, conditions and rules."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

Template = dict[str, Any]
NO_VALUE = {"Ref": "AWS::NoValue"}
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "cats-vs-dogs",
}


class Loader(yaml.SafeLoader):
    """Reads !Ref X as {"Ref": "X"}, !GetAtt A.B as {"Fn::GetAtt": ["A", "B"]}, and so on."""


def _tagged(loader: Any, suffix: str, node: Any) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _tagged)


def read(file: Path) -> Template:
    """A template, its short tags as functions."""
    loaded: Template = yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)  # a SafeLoader by inheritance
    return loaded


def defaults(template: Template) -> dict[str, str]:
    return {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}


class Meaning:
    """A template with values for its parameters. References to resources stay as they are."""

    def __init__(self, template: Template, parameters: dict[str, str]) -> None:
        self.template = template
        self.parameters = defaults(template) | parameters

    def resources(self) -> Template:
        """Those whose conditions hold, with all that is known put in."""
        return {
            name: self.of({key: value for key, value in each.items() if key != "Condition"})
            for name, each in self.template["Resources"].items()
            if "Condition" not in each or self.condition(each["Condition"])
        }

    def outputs(self) -> Template:
        """Those whose conditions hold."""
        return {
            name: self.of({key: value for key, value in each.items() if key != "Condition"})
            for name, each in self.template.get("Outputs", {}).items()
            if "Condition" not in each or self.condition(each["Condition"])
        }

    def condition(self, name: str) -> bool:
        return bool(self.of(self.template["Conditions"][name]))

    def broken_rules(self) -> list[str]:
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if "RuleCondition" not in rule or self.of(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.of(assertion["Assert"])
        ]

    def of(self, value: Any) -> Any:
        """A value with its functions applied, as far as they do not ask for resources."""
        if isinstance(value, list):
            return [each for each in map(self.of, value) if each != NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in {"Ref", "Condition"} or name.startswith("Fn::"):
                return self._function(name.removeprefix("Fn::"), argument)
        return {key: each for key, each in ((k, self.of(v)) for k, v in value.items()) if each != NO_VALUE}

    def _function(self, name: str, argument: Any) -> Any:  # noqa: C901, PLR0911, PLR0912  (a case each)
        if name == "Ref":
            return self._ref(argument)
        if name == "Condition":
            return self.condition(argument)
        if name == "If":
            return self.of(argument[1] if self.condition(argument[0]) else argument[2])
        if name == "Sub":
            return self._sub(argument)
        known = self.of(argument)
        match name:
            case "Equals":
                return str(known[0]) == str(known[1])
            case "Not":
                return not known[0]
            case "And":
                return all(known)
            case "Or":
                return any(known)
            case "Cidr":
                subnets = ip_network(known[0]).subnets(new_prefix=32 - int(known[2]))
                return [str(next(subnets)) for _ in range(int(known[1]))]
            case "FindInMap":
                return self.template["Mappings"][known[0]][known[1]][known[2]]
            case "Select" if isinstance(known[1], list):
                return known[1][int(known[0])]
            case "Join" if all(isinstance(each, str) for each in known[1]):
                return known[0].join(known[1])
            case "Split" if isinstance(known[1], str):
                return known[1].split(known[0])
        return {"Fn::" + name: known}

    def _ref(self, name: str) -> Any:
        if name in PSEUDO:
            return PSEUDO[name]
        if name not in self.parameters:
            return {"Ref": name}
        return self.parameters[name]

    def _sub(self, argument: Any) -> Any:
        text, own = (argument, {}) if isinstance(argument, str) else (argument[0], self.of(argument[1]))
        known = own | PSEUDO | self.parameters

        def put(match: re.Match[str]) -> str:
            value = known.get(match[1], match[0])
            return value if isinstance(value, str) else match[0]

        replaced = re.sub(r"\${([^}!]+)}", put, text)
        return replaced if "${" not in replaced else {"Fn::Sub": replaced}
