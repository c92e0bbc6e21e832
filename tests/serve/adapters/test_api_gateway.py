"""API Gateway's two payloads, and Function URLs."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from serve import adapters
from serve.adapters import api_gateway
from serve.app import App
from serve.invocation import Invocation
from serve.settings import Settings

Load = Callable[[str], Any]
URL = "https://upload.wikimedia.org/wikipedia/commons/3/3a/Cat03.jpg"


def body_of(answer: Any) -> Any:
    assert answer["isBase64Encoded"] is False
    return json.loads(answer["body"])


@pytest.mark.parametrize("name", ["http_api_upload", "rest_api", "function_url"])
def test_each_way_to_send_a_photo(s3_app: App, invocation: Invocation, sample_event: Load, name: str) -> None:
    answer = adapters.answer(sample_event(name), invocation, s3_app)
    assert answer["statusCode"] == 200
    assert set(body_of(answer)) == {"label", "probability", "uncertain", "model_version"}
    # The photo is the same in all.
    assert body_of(answer) == adapters.answer(sample_event("image"), invocation, s3_app)


def test_health(s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    assert body_of(adapters.answer(sample_event("health"), invocation, s3_app))["status"] == "ok"


def test_the_query_of_an_http_api_is_decoded(sample_event: Load) -> None:
    assert api_gateway._from_v2(sample_event("http_api_url")).query == {"url": URL}


def rest(path: str, resource: str, proxy: str | None = None, stage: str = "prod", **members: Any) -> Any:
    """An event of payload 1.0 as a REST API, or an HTTP API with `version`, sends it."""
    context = {"stage": stage, "path": f"/{stage}{path}", "resourcePath": resource, "httpMethod": "GET"}
    parameters = None if proxy is None else {"proxy": proxy}
    event = {"resource": resource, "path": path, "httpMethod": "GET", "pathParameters": parameters}
    return event | {"requestContext": context} | members


def http(path: str, route: str, proxy: str | None = None, stage: str = "$default", **context: Any) -> Any:
    """An event of payload 2.0."""
    parameters = {} if proxy is None else {"pathParameters": {"proxy": proxy}}
    context = {"stage": stage, "routeKey": route, "http": {"method": "GET", "path": path}, **context}
    return {"version": "2.0", "routeKey": route, "rawPath": path, "requestContext": context, **parameters}


@pytest.mark.parametrize(
    "event",
    [
        rest("/health", "/health"),
        rest("/health", "/{proxy+}", "health"),
        # A custom domain with a base path mapping: the path begins with it.
        rest("/v1/health", "/health"),
        rest("/v1/health/", "/health"),
        rest("/v1/health", "/{proxy+}", "health"),
        rest("/a/b/health", "/api/{proxy+}", "health"),
        rest("/he%61lth", "/{proxy+}", "he%61lth"),
        # An HTTP API with payload 1.0: the path begins with a named stage.
        rest("/prod/health", "/health", version="1.0"),
        rest("/prod/health", "/{proxy+}", "health", version="1.0"),
        rest("/prod/health", "$default", version="1.0"),
        rest("/health", "$default", stage="$default", version="1.0"),
        # The stage has the name of a route.
        rest("/health", "/health", stage="health"),
        http("/health", "$default"),
        http("/health", "GET /health"),
        http("/he%61lth", "$default"),
        http("/prod/health", "$default", stage="prod"),
        http("/prod/health", "GET /health", stage="prod"),
        http("/v1/health", "GET /health"),
        http("/v1/prod/health", "ANY /{proxy+}", "health", stage="prod"),
        http("/v1/health", "ANY /{proxy+}", "health"),
    ],
)
def test_base_paths_and_stages_are_no_part_of_the_path(s3_app: App, invocation: Invocation, event: Any) -> None:
    assert body_of(adapters.answer(event, invocation, s3_app))["status"] == "ok"


@pytest.mark.parametrize(
    "event", [rest("/v1", "/"), rest("/v1/", "/"), http("/v1", "GET /"), http("/prod", "$default", stage="prod")]
)
def test_the_root_of_a_base_path_is_the_page(s3_app: App, invocation: Invocation, event: Any) -> None:
    assert "<html" in adapters.answer(event, invocation, s3_app)["body"]


@pytest.mark.parametrize(
    "event",
    [
        http("/production/health", "$default", stage="prod"),
        rest("/v1/none", "/{proxy+}", "none"),
        http("/v1/health", "$default"),
    ],
)
def test_what_is_no_prefix_stays(s3_app: App, invocation: Invocation, event: Any) -> None:
    assert adapters.answer(event, invocation, s3_app)["statusCode"] == 404


@pytest.mark.parametrize("path", ["/v1/health", "/health", "/v1/health/"])
def test_a_prefix_that_no_event_names_is_a_setting(model_path: Path, invocation: Invocation, path: str) -> None:
    app = App(Settings(model_path=model_path, base_path="/v1"))
    assert body_of(adapters.answer(http(path, "$default"), invocation, app))["status"] == "ok"
    assert adapters.answer(http("/v10/health", "$default"), invocation, app)["statusCode"] == 404


def test_each_kind_of_api_is_counted_as_what_it_is(s3_app: App, invocation: Invocation, log: Callable[[], Any]) -> None:
    function_url = http("/health", "$default", domainName="abc123.lambda-url.eu-central-1.on.aws")
    for event, source in (
        (function_url, "function-url"),
        (http("/health", "$default", domainName="abc123.execute-api.eu-central-1.amazonaws.com"), "http-api"),
        (rest("/health", "/health"), "rest-api"),
        (rest("/health", "/health", version="1.0"), "http-api"),
    ):
        adapters.answer(event, invocation, s3_app)
        assert log()[0]["source"] == source


@pytest.mark.parametrize(
    "event",
    [
        rest("/health", "/health", type="REQUEST", methodArn="arn:aws:execute-api:eu-central-1:1:abc/prod/GET/health"),
        {"type": "TOKEN", "authorizationToken": "x", "methodArn": "arn:aws:execute-api:eu-central-1:1:abc/prod/GET/"},
        http("/health", "GET /health") | {"type": "REQUEST", "routeArn": "arn:aws:execute-api:eu-central-1:1:abc/GET/"},
    ],
)
def test_an_authorizers_event_is_no_request(event: Any) -> None:
    assert not any(adapter.infer(event) for adapter in adapters.ADAPTERS)


def test_of_several_values_the_last_counts_and_names_have_no_case(sample_event: Load) -> None:
    event = sample_event("rest_api") | {
        "multiValueHeaders": {"CONTENT-Type": ["text/plain", "image/png"]},
        "multiValueQueryStringParameters": {"url": ["a", "b"]},
    }
    request = api_gateway._from_v1(event)
    assert (request.headers, request.query) == ({"content-type": "image/png"}, {"url": "b"})
    request = api_gateway._from_v1(event | {"multiValueHeaders": None, "headers": {"X-Y": "1"}})
    assert request.headers == {"x-y": "1"}


@pytest.mark.parametrize("name", ["http_api_upload", "rest_api"])
def test_a_body_that_is_not_base64(s3_app: App, invocation: Invocation, sample_event: Load, name: str) -> None:
    answer = adapters.answer(sample_event(name) | {"body": "%"}, invocation, s3_app)
    assert (answer["statusCode"], body_of(answer)["type"]) == (400, "urn:problem-type:malformed-request")


@pytest.mark.parametrize("body", [None, "", "\ud800"])
def test_no_body_or_a_broken_one(s3_app: App, invocation: Invocation, sample_event: Load, body: str | None) -> None:
    event = sample_event("http_api_upload") | {"body": body, "isBase64Encoded": False}
    assert adapters.answer(event, invocation, s3_app)["statusCode"] == 400


def test_a_text_body_is_taken_as_it_is(
    s3_app: App, invocation: Invocation, sample_event: Load, cat_jpeg: bytes
) -> None:
    event = sample_event("function_url") | {"body": json.dumps({"image": base64.b64encode(cat_jpeg).decode()})}
    assert body_of(adapters.answer(event, invocation, s3_app))["label"] == "cat"


@pytest.mark.parametrize("name", ["rest_api", "http_api_upload", "alb"])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "form"])
def test_a_photo_that_the_api_made_text_of_is_told_what_is_missing(
    s3_app: App, invocation: Invocation, sample_event: Load, name: str, image_format: str, cat_jpeg: bytes
) -> None:
    data, content_type = cat_jpeg, "multipart/form-data; boundary=b"
    if image_format != "form":
        file = io.BytesIO()
        Image.open(io.BytesIO(cat_jpeg)).save(file, image_format)
        data, content_type = file.getvalue(), f"image/{image_format.lower()}"
    else:
        data = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n%s\r\n--b--\r\n' % cat_jpeg
    mangled = {"body": data.decode("utf-8", "replace"), "isBase64Encoded": False}
    headers = {"headers": {"content-type": content_type}, "queryStringParameters": {}}
    event = sample_event(name) | mangled | headers | {"multiValueHeaders": None}
    if name == "alb":
        del event["multiValueHeaders"]
    answer = adapters.answer(event, invocation, s3_app)
    assert answer["statusCode"] == 400
    assert "binaryMediaTypes" in json.loads(answer["body"])["detail"]
