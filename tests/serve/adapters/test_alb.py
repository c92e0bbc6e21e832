"""Application Load Balancer."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from serve import adapters
from serve.adapters import alb
from serve.app import App
from serve.invocation import Invocation

Load = Callable[[str], Any]


def changed(event: Any, **members: Any) -> Any:
    return {name: value for name, value in {**event, **members}.items() if value is not None}


def test_a_query_is_decoded_as_the_client_encoded_it(sample_event: Load) -> None:
    event = sample_event("alb")
    assert alb._request(event).query == {"url": "https://upload.wikimedia.org/wikipedia/commons/3/3a/Cat03.jpg"}
    event["queryStringParameters"] = {"a%5B%5D": "x+y%2Bz%25"}
    assert alb._request(event).query == {"a[]": "x y+z%"}


def test_the_answer_has_its_status_in_words(s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    event = changed(sample_event("alb"), httpMethod="GET", path="/health")
    answer = adapters.answer(event, invocation, s3_app)
    assert (answer["statusCode"], answer["statusDescription"]) == (200, "200 OK")
    assert answer["isBase64Encoded"] is False
    assert answer["headers"]["content-type"] == "application/json"
    assert json.loads(answer["body"])["status"] == "ok"


def test_an_uploaded_photo(
    s3_app: App, invocation: Invocation, sample_event: Load, cat_jpeg: bytes, log: Callable[[], list[Any]]
) -> None:
    event = changed(
        sample_event("alb"),
        queryStringParameters={},
        headers={"Content-Type": "image/jpeg"},
        body=base64.b64encode(cat_jpeg).decode(),
        isBase64Encoded=True,
    )
    assert json.loads(adapters.answer(event, invocation, s3_app)["body"])["label"] == "cat"
    assert log()[0]["source"] == "alb"


@pytest.mark.parametrize("path", ["/health", "/none"])
def test_a_target_group_with_multi_value_headers_gets_them_too(
    s3_app: App, invocation: Invocation, sample_event: Load, path: str
) -> None:
    event = changed(
        sample_event("alb"),
        httpMethod="GET",
        path=path,
        headers=None,
        queryStringParameters=None,
        multiValueHeaders={"accept": ["*/*"]},
        multiValueQueryStringParameters={"a": ["1", "2"]},
    )
    answer = adapters.answer(event, invocation, s3_app)
    assert "headers" not in answer
    assert answer["multiValueHeaders"]["x-content-type-options"] == ["nosniff"]
    assert alb._request(event).query == {"a": "2"}


def test_a_body_that_is_not_what_it_says(s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    event = changed(sample_event("alb"), body="%", isBase64Encoded=True)
    answer = adapters.answer(event, invocation, s3_app)
    assert (answer["statusCode"], answer["statusDescription"]) == (400, "400 Bad Request")
    assert answer["headers"]["content-type"] == "application/problem+json"
