"""The handler as Lambda runs it: AWS's runtime interface emulator in front, AWS's runtime client inside."""

import base64
import json
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from benchmarks.events import http_api
from tests.e2e.conftest import Invoke


@pytest.fixture
def invoke(start_emulator: Callable[..., Invoke], photo_server: str) -> Invoke:
    return start_emulator(
        URL_ALLOWED_NETWORKS="127.0.0.0/8", URL_ALLOWED_PORTS=str(urlsplit(photo_server).port), FETCH_TIMEOUT_S="10"
    )


def test_every_form_gives_the_same_cat(invoke: Invoke, photo_server: str, cat_jpeg: bytes) -> None:
    encoded = base64.b64encode(cat_jpeg).decode()
    answers = [invoke({"image": encoded}), invoke({"url": f"{photo_server}/cat.jpg"})]
    for event in (
        http_api("POST", "/predict", json.dumps({"url": f"{photo_server}/cat.jpg"}).encode()),
        http_api("POST", "/predict", json.dumps({"image": encoded}).encode()),
        http_api("POST", "/predict", cat_jpeg, "image/jpeg"),
    ):
        response = invoke(event)
        assert response["statusCode"] == 200
        answers.append(json.loads(response["body"]))
    assert answers[0]["label"] == "cat"
    assert all(answer == answers[0] for answer in answers)


def test_health_and_problems(invoke: Invoke) -> None:
    assert json.loads(invoke(http_api("GET", "/health"))["body"])["status"] == "ok"
    assert invoke(http_api("POST", "/predict", b"{}"))["statusCode"] == 400
    assert invoke({"image": "bm90IGFuIGltYWdl"})["error"]["status"] == 415
    assert invoke({"url": "http://127.0.0.1:1/"})["error"]["status"] == 422
    unknown = invoke({"some": "event"})
    assert unknown["errorType"] == "MalformedRequestError"
    assert "Understood" in unknown["errorMessage"]
