"""What linters of template.yaml do not know: that its parts fit each other, the other templates, and the code."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from serve.app import App
from serve.http import Request
from serve.invocation import from_context
from serve.settings import Settings
from tests.stacks.cloudformation import Meaning, Template
from tests.stacks.conftest import EVERY_PARAMETER, IMAGE

# The bill of one photo (docs/security.md), and of one in each of the eight threads of a batch, in a process of 60.
PEAK_MEMORY_MB = {"ClassifyFunction": 400, "ClassifyUploadsFunction": 2780, "ClassifyBacklogFunction": 400}
FUNCTIONS = tuple(PEAK_MEMORY_MB)


def properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def variables(template: Template, function: str) -> dict[str, Any]:
    """A function's environment when every parameter is left alone."""
    common = template["Globals"]["Function"]["Environment"]["Variables"]
    own = properties(template, function)["Environment"]["Variables"]
    found: dict[str, Any] = Meaning(template, {}).of(common | own)
    return found


def test_the_environment_is_all_of_the_settings_with_their_defaults(template: Template) -> None:
    names = {name.upper() for name in Settings._fields}
    environment = variables(template, "ClassifyFunction")
    assert set(environment) == names | {"AWS_ENDPOINT_URL_S3"}
    assert environment.pop("MODEL_PATH") == "/var/task/models/cats_dogs.tflite"
    assert Settings.from_env(environment) == Settings()


@pytest.mark.parametrize("function", ["ClassifyUploadsFunction", "ClassifyBacklogFunction"])
def test_a_function_for_s3_differs_in_its_bucket_and_fetches_nothing(template: Template, function: str) -> None:
    api, own = variables(template, "ClassifyFunction"), variables(template, function)
    assert {name for name in api.keys() | own.keys() if api.get(name, "") != own[name]} == {
        "RESULTS_BUCKET",
        "FETCH_ENABLED",
    }
    assert own["RESULTS_BUCKET"] == {"Fn::GetAtt": ["Storage", "Outputs.ResultsBucket"]}
    assert own["FETCH_ENABLED"] == "false"


def test_parameters_take_their_defaults_and_say_what_they_are(template: Template) -> None:
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


def test_every_parameter_can_have_its_other_value(template: Template) -> None:
    for name, value in EVERY_PARAMETER.items():
        parameter = template["Parameters"][name]
        assert re.fullmatch(parameter.get("AllowedPattern", ".*"), value), name
        assert value in map(str, parameter.get("AllowedValues", [value])), name


def test_every_parameter_and_condition_is_used_and_grouped(template: Template, root: Path) -> None:
    text = (root / "template.yaml").read_text(encoding="utf-8")
    body = text[text.index("\nMappings:") :]
    for name in template["Parameters"]:
        assert re.search(rf"!Ref {name}\b|\${{{name}}}", body), name
    for name in template["Conditions"]:
        assert re.search(rf"!If \[{name},|!If\n +- {name}\n|Condition: {name}\n|!Condition {name}\b", body), name
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])


@pytest.mark.parametrize(
    ("parameters", "broken"),
    [
        ({}, 0),
        (EVERY_PARAMETER, 0),
        ({"MonthlyBudgetUsd": "5"}, 1),
        ({"ApiAuthorization": "JWT"}, 2),
        ({"ApiAuthorization": "JWT", "JwtIssuer": "https://issuer.example.org"}, 1),
        ({"JwtIssuer": "https://issuer.example.org", "JwtAudience": "pets"}, 1),
        ({"DomainName": "pets.example.org"}, 1),
        ({"FetchEnabled": "false", "UrlAllowedHosts": "example.org"}, 1),
        ({"FetchEnabled": "false", "VpcCidr": "10.0.0.0/24"}, 1),
        ({"ReserveConcurrency": "false", "BacklogBuckets": "photos"}, 1),
        ({"ReserveConcurrency": "false"}, 0),
        ({"ProvisionedConcurrencyMax": "5"}, 1),
        ({"ProvisionedConcurrency": "2", "ProvisionedConcurrencyStart": "cron(0 7 ? * * *)"}, 1),
        ({"ProvisionedConcurrency": "2", "ProvisionedConcurrencyStop": "cron(0 7 ? * * *)"}, 1),
    ],
)
def test_rules_refuse_parameters_that_exclude_each_other(
    template: Template, parameters: dict[str, str], broken: int
) -> None:
    assert len(Meaning(template, parameters).broken_rules()) == broken


@pytest.mark.parametrize("parameters", [{}, EVERY_PARAMETER], ids=["defaults", "every parameter"])
def test_nested_templates_get_their_parameters_and_give_what_is_asked_of_them(
    template: Template, stacks: dict[str, Template], parameters: dict[str, str]
) -> None:
    meaning = Meaning(template, parameters)
    nested = {
        name: each["Properties"]
        for name, each in meaning.resources().items()
        if each["Type"] == "AWS::CloudFormation::Stack"
    }
    for name, each in nested.items():
        inner = stacks[Path(each["TemplateURL"]).stem]
        assert each["Parameters"].keys() == inner["Parameters"].keys(), name
    asked = set(re.findall(r"'(\w+)', 'Outputs\.(\w+)'", str(meaning.of(template))))
    asked |= set(re.findall(r"\${(\w+)\.Outputs\.(\w+)}", str(meaning.of(template))))
    for name, output in asked & {(name, output) for name, output in asked if name in nested}:
        assert output in stacks[Path(nested[name]["TemplateURL"]).stem]["Outputs"]
    assert {name for name, _output in asked} <= {*nested, "Key", "Batch", "Network"}


def test_what_is_off_by_default_is_not_there(template: Template) -> None:
    resources = Meaning(template, {}).resources()
    assert {name for name, each in resources.items() if each["Type"] == "AWS::CloudFormation::Stack"} == {
        "Storage",
        "Permissions",
        "Watch",
        "Dashboard",
    }
    assert "ClassifyBacklogFunction" not in resources


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_its_role_its_log_and_the_one_image(template: Template, function: str) -> None:
    own = properties(template, function)
    name = function.removesuffix("Function")
    assert own["Role"] == {"Fn::GetAtt": ["Permissions", f"Outputs.{name}RoleArn"]}
    assert own["LoggingConfig"]["LogGroup"] == {"Fn::GetAtt": ["Permissions", f"Outputs.{name}Logs"]}
    assert own["ImageUri"] == {"Ref": "ImageUri"}
    assert template["Resources"][function]["Metadata"] == template["Resources"]["ClassifyFunction"]["Metadata"]


def test_each_path_has_a_concurrency_of_its_own(template: Template) -> None:
    """A backlog never takes what live uploads need: SQS counts a message for a throttled function as received."""
    functions = Meaning(template, {"BacklogBuckets": "photos"}).resources()
    assert [functions[name]["Properties"]["ReservedConcurrentExecutions"] for name in FUNCTIONS] == ["25", "10", "20"]


def test_time_outs_nest(template: Template) -> None:
    """Fetching ends before the function does, and the function before API Gateway: 30 s for an HTTP API."""
    api = properties(template, "ClassifyFunction")["Timeout"]
    assert float(variables(template, "ClassifyFunction")["FETCH_TIMEOUT_S"]) * 2 < api < 30


def test_memory_is_more_than_the_measured_peak(template: Template) -> None:
    for function, peak_mb in PEAK_MEMORY_MB.items():
        memory = properties(template, function)["MemorySize"]
        assert peak_mb * 1.2 < memory
        assert memory % 1769 == 0  # Lambda gives a whole vCPU for each 1,769 MB


def test_the_api_has_the_routes_and_only_calls_the_function(template: Template) -> None:
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


def test_the_api_is_throttled_and_logged_without_query_strings(template: Template) -> None:
    api = properties(template, "HttpApi")
    throttle = api["DefaultRouteSettings"]
    assert throttle["ThrottlingRateLimit"] == {"Ref": "ApiThrottleRate"}
    assert throttle["ThrottlingBurstLimit"] == {"Ref": "ApiThrottleBurst"}
    assert "$context.routeKey" in api["AccessLogSettings"]["Format"]
    assert not re.search(r"\$context\.(path|querystring)", api["AccessLogSettings"]["Format"], re.IGNORECASE)


@pytest.mark.parametrize(
    ("authorization", "security"), [("NONE", []), ("AWS_IAM", [{"AWS_IAM": []}]), ("JWT", [{"JWT": []}])]
)
def test_who_may_post_is_a_parameter(template: Template, authorization: str, security: list[Any]) -> None:
    meaning = Meaning(
        template, {"ApiAuthorization": authorization, "JwtIssuer": "https://issuer.example.org", "JwtAudience": "a,b"}
    )
    body = meaning.of(properties(template, "HttpApi")["DefinitionBody"])
    assert body["paths"]["/predict"]["post"]["security"] == security
    assert "security" not in body["paths"]["/predict"]["options"]
    schemes = body["components"]["securitySchemes"]
    assert ("JWT" in schemes) == (authorization == "JWT")
    if authorization == "JWT":
        assert schemes["JWT"]["x-amazon-apigateway-authorizer"]["jwtConfiguration"] == {
            "issuer": "https://issuer.example.org",
            "audience": ["a", "b"],
        }


@pytest.mark.parametrize("authorization", ["NONE", "AWS_IAM"])
@pytest.mark.parametrize("origin", ["", "*", "https://www.example.org"])
def test_a_page_elsewhere_may_call_the_api_and_read_its_refusals(
    template: Template, model_path: Path, authorization: str, origin: str
) -> None:
    meaning = Meaning(template, {"ApiAuthorization": authorization, "CorsAllowOrigin": origin})
    body = meaning.of(properties(template, "HttpApi")["DefinitionBody"])
    assert ("x-amazon-apigateway-cors" in body) == bool(origin)
    if not origin:
        return
    gateway = body["x-amazon-apigateway-cors"]
    assert gateway["allowOrigins"] == [origin]
    # The function's own headers, behind a load balancer or a Function URL, say the same.
    app = App(Settings(model_path=model_path, cors_allow_origin=origin))
    headers = app.respond(Request("OPTIONS", "/predict"), from_context(None)).headers
    for name in ("methods", "headers"):
        assert headers[f"access-control-allow-{name}"] == ", ".join(gateway[f"allow{name.title()}"])
    assert headers["access-control-expose-headers"] == ", ".join(gateway["exposeHeaders"])
    assert headers["access-control-max-age"] == str(gateway["maxAge"])
    # What Signature Version 4 adds to a request, and what the page's own requests have.
    assert {"authorization", "x-amz-date", "x-amz-security-token", "content-type"} <= set(gateway["allowHeaders"])


@pytest.mark.parametrize("authorization", ["NONE", "AWS_IAM"])
def test_what_the_api_imports_is_valid_openapi(template: Template, authorization: str) -> None:
    meaning = Meaning(template, {"ApiAuthorization": authorization, "CorsAllowOrigin": "*"})
    openapi_spec_validator.validate(meaning.of(properties(template, "HttpApi")["DefinitionBody"]))


@pytest.mark.parametrize(("preference", "gradual"), [("AllAtOnce", False), ("Canary10Percent5Minutes", True)])
def test_a_gradual_deployment_goes_back_when_an_alarm_goes_off(
    translate: Callable[[list[dict[str, str]]], list[Template]], preference: str, gradual: bool
) -> None:
    parameters = {"DeploymentPreference": preference, "ImageUri": IMAGE}
    (translated,) = translate([parameters])
    resources = Meaning(translated, parameters).resources()
    policies = {name: each["UpdatePolicy"] for name, each in resources.items() if "UpdatePolicy" in each}
    groups = {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "AWS::CodeDeploy::DeploymentGroup"
    }
    assert len(groups) == len(policies) == (2 if gradual else 0)
    for alias, policy in policies.items():
        group = groups[policy["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]["Ref"]]
        assert group["DeploymentConfigName"] == f"CodeDeployDefault.Lambda{preference}"
        alarms = {each["Name"]["Fn::GetAtt"][1] for each in group["AlarmConfiguration"]["Alarms"]}
        assert group["AlarmConfiguration"]["Enabled"] is True
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        assert alarms == (
            {"Outputs.UploadsErrorsAlarm", "Outputs.UploadsBugsAlarm"}
            if "Uploads" in alias
            else {"Outputs.ClassifyErrorsAlarm", "Outputs.ClassifyBugsAlarm", "Outputs.ApiServerErrorsAlarm"}
        )


def test_outputs_name_what_exists(template: Template) -> None:
    names = template["Resources"].keys() | template["Parameters"].keys() | {"AWS", "Url"}
    for output in template["Outputs"].values():
        assert set(re.findall(r"\${(\w+)[.:}]", str(output["Value"]))) <= names
    assert "curl -F file=@examples/cat.jpg" in str(template["Outputs"]["TryUpload"]["Value"])
