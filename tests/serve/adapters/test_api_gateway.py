"""API Gateway's two payloads, and Function URLs."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from serve import adapters
from serve.adapters import api_gateway
from serve.app import App
from serve.invocation import Invocation

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


@pytest.mark.parametrize(
    ("stage", "path", "seen"),
    [
        ("prod", "/prod/predict", "/predict"),
        ("prod", "/production", "/production"),
        ("$default", "/predict", "/predict"),
        ("$default", "/pre%64ict", "/predict"),
    ],
)
def test_a_stage_is_no_part_of_the_path(sample_event: Load, stage: str, path: str, seen: str) -> None:
    event = sample_event("http_api_url") | {"rawPath": path}
    event["requestContext"]["stage"] = stage
    assert api_gateway._from_v2(event).path == seen


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
