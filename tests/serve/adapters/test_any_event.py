"""Whatever comes as an event: an answer, or the one documented way to ask for it again. Never a 5xx over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve import adapters
from serve.adapters._records import DeliverAgainError
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

HTTP_SAMPLES = ("http_api_url", "http_api_upload", "rest_api", "function_url", "alb", "health")
S3_SAMPLES = (
    "s3_upload", "eventbridge_s3", "sqs_s3", "sqs_sns_s3", "sqs_eventbridge", "pipes_sqs", "sns_s3", "s3_batch_v1",
    "s3_batch_v2", "object",
)  # fmt: skip

Load = Callable[[str], Any]

# Fixtures last for the session, or are made of nothing that a test can change.
many = settings(
    deadline=None, max_examples=2 * settings().max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


class Denying(BaseHTTPRequestHandler):
    """An S3 that refuses all, which is not tried twice."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code></Error>"
        self.send_response(403)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Tests have enough to say."""


@pytest.fixture
def denying_s3(s3_environment: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denying)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    s3_environment.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.socket.close()


def soon() -> Invocation:
    return Invocation("request-1", deadline=time.monotonic() + 60)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value inside of a JSON value."""
    found = [path] if path else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inside:
        found += places(member, (*path, name))
    return found


def mutated(event: Any, data: st.DataObject) -> Any:
    """The event with one or two of its values gone or replaced, also inside of JSON that is a text in it."""
    for _ in range(data.draw(st.integers(1, 2))):
        paths = places(event)
        if not paths:
            break
        *way, last = data.draw(st.sampled_from(paths))
        place = event
        for name in way:
            place = place[name]
        inner = _json(place[last])
        if inner is not None and data.draw(st.booleans()):
            place[last] = json.dumps(mutated(inner, data))
        elif data.draw(st.booleans()):
            place[last] = data.draw(JSON)
        else:
            del place[last]
    return event


def _json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else None
    except ValueError:
        return None


def check_or_refused(event: Any, app: App) -> None:
    """An event that is nobody's is raised."""
    if any(adapter.infer(event) for adapter in adapters.ADAPTERS):
        check(event, adapters.answer(event, soon(), app))
    else:
        with pytest.raises(MalformedRequestError, match="does not know this kind of event"):
            adapters.answer(event, soon(), app)


def check(event: Any, answer: Any) -> None:
    json.dumps(answer)  # as Lambda does with it
    if "statusCode" in answer:
        assert answer["statusCode"] < 500, (event, answer)
        assert isinstance(answer["body"], str)
    else:
        assert set(answer) <= {"label", "probability", "uncertain", "model_version"} or set(answer) == {"error"}


@many
@given(event=JSON)
def test_any_json_is_answered_or_refused(event: Any, s3_app: App, denying_s3: None) -> None:
    check_or_refused(event, s3_app)


@many
@given(context=st.dictionaries(st.sampled_from(["elb", "http", "stage", "x"]), JSON), members=st.data())
def test_anything_that_looks_like_http_is_answered(context: Any, members: st.DataObject, s3_app: App) -> None:
    names = ["version", "httpMethod", "rawPath", "path", "rawQueryString", "headers", "multiValueHeaders", "body"]
    event = members.draw(st.dictionaries(st.sampled_from([*names, "isBase64Encoded"]), JSON | st.just("2.0")))
    event |= {"requestContext": context}
    check_or_refused(event, s3_app)


@pytest.mark.parametrize("name", HTTP_SAMPLES)
@many
@given(data=st.data())
def test_no_change_to_an_http_event_breaks_it(data: st.DataObject, name: str, sample_event: Load, s3_app: App) -> None:
    check_or_refused(mutated(sample_event(name), data), s3_app)


@pytest.mark.parametrize("name", S3_SAMPLES)
@settings(many, max_examples=settings().max_examples * 3 // 5)
@given(data=st.data())
def test_no_change_to_an_event_of_s3_loses_it(
    data: st.DataObject, name: str, sample_event: Load, s3_app: App, denying_s3: None
) -> None:
    """Access is denied to all, so nothing may pass as done but what is no photo at all."""
    event = mutated(sample_event(name), data)
    try:
        answer = adapters.answer(event, soon(), s3_app)
    except (DeliverAgainError, MalformedRequestError):
        return
    is_direct = "error" in answer and name == "object"
    assert is_direct or all("ignored" in result for result in answer.get("results", ())) or is_batch(answer)


def is_batch(answer: Any) -> bool:
    """No queue and no job hears that there was a label."""
    return "batchItemFailures" in answer or all("label" not in task["resultString"] for task in answer["results"])
