"""Direct invocation: a URL, the photo itself, or an object in S3."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.app import App
from serve.errors import INTERNAL_ERROR, MalformedRequestError
from serve.invocation import Invocation
from serve.settings import Settings
from tests.serve.s3_servers import RESULTS, UPLOADS, Proxy, refuses

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

URL = "https://example.org/cat.jpg"
KEY = "album one/Mäuschen & Rex.jpg"
Load = Callable[[str], Any]


def status(event: Any, invocation: Invocation, app: App) -> int:
    answer = adapters.answer(event, invocation, app)
    assert set(answer) == {"error"}
    return int(answer["error"]["status"])


def test_an_image(s3_app: App, invocation: Invocation, sample_event: Load, cat_jpeg: bytes) -> None:
    answer = adapters.answer(sample_event("image"), invocation, s3_app)
    assert set(answer) == {"label", "probability", "uncertain", "model_version"}
    cat = adapters.answer({"image": base64.b64encode(cat_jpeg).decode()}, invocation, s3_app)
    assert cat["label"] == "cat"


def test_an_answer_is_explained_if_the_event_says_so(s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    event = sample_event("image")
    assert len(adapters.answer(event | {"explain": True}, invocation, s3_app)["explanation"]) == 4
    assert "explanation" not in adapters.answer(event | {"explain": False}, invocation, s3_app)
    for wrong in ("true", 1, None):
        assert status(event | {"explain": wrong}, invocation, s3_app) == 400
        assert status({"bucket": UPLOADS, "key": KEY, "explain": wrong}, invocation, s3_app) == 400


def test_a_url_where_none_are_taken(s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    assert status(sample_event("url"), invocation, s3_app) == 422


def test_an_object_is_answered_and_nothing_is_written(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, cat_jpeg: bytes, log: Any
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    answer = adapters.answer(sample_event("object"), invocation, s3_app)
    assert set(answer) == {"label", "probability", "uncertain", "model_version"}
    assert answer["label"] == "cat"
    assert "explanation" in adapters.answer(sample_event("object") | {"explain": True}, invocation, s3_app)
    assert s3.list_objects_v2(Bucket=RESULTS)["KeyCount"] == 0
    line, _ = log()
    assert (line["source"], line["bucket"], line["key"]) == ("direct", UPLOADS, KEY)
    assert line["fetch_ms"] > 0


def test_an_object_at_a_version(s3: "S3Client", s3_app: App, invocation: Invocation, cat_jpeg: bytes) -> None:
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)["VersionId"]
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"no photo")
    event = {"bucket": UPLOADS, "key": KEY}
    assert status(event, invocation, s3_app) == 415
    assert adapters.answer(event | {"versionId": version}, invocation, s3_app)["label"] == "cat"


def test_an_object_that_is_missing(s3: "S3Client", s3_app: App, invocation: Invocation) -> None:
    assert status({"bucket": UPLOADS, "key": "none.jpg"}, invocation, s3_app) == 404
    assert status({"bucket": "no-such-bucket", "key": "none.jpg"}, invocation, s3_app) == 404
    assert status({"bucket": "no bucket's name", "key": "none.jpg"}, invocation, s3_app) == 400


def test_a_fault_of_s3_is_told_without_its_inside(
    s3: "S3Client", s3_app: App, invocation: Invocation, s3_proxy: Proxy, log: Any
) -> None:
    s3_proxy.faults = [refuses("GET", 403, "AccessDenied")]
    answer = adapters.answer({"bucket": UPLOADS, "key": KEY}, invocation, s3_app)
    assert answer["error"]["status"] == 502
    assert "AccessDenied" not in str(answer)
    assert "AccessDenied" in log()[0]["fault"]


def test_a_bug_is_logged_and_counted_and_the_caller_learns_nothing_of_it(
    model_path: Path, invocation: Invocation, cat_jpeg: bytes, log: Any
) -> None:
    app = App(Settings(model_path=model_path))
    del app.classifier
    answer = adapters.answer({"image": base64.b64encode(cat_jpeg).decode()}, invocation, app)
    assert answer == {"error": INTERNAL_ERROR}
    (line,) = log()
    assert (line["level"], line["error"], line["errors"]) == ("ERROR", "internal-error", 1)
    assert "AttributeError" in line["traceback"]


@pytest.mark.parametrize(
    "event",
    [
        {"bucket": UPLOADS},
        {"key": KEY},
        {"bucket": 5, "key": KEY},
        {"bucket": UPLOADS, "key": "\ud800"},
        {"bucket": UPLOADS, "key": KEY, "url": "https://example.org"},
        {"url": "https://example.org", "image": ""},
        {"image": "%"},
    ],
)
def test_what_names_no_photo_or_more_than_one(s3_app: App, invocation: Invocation, event: Any) -> None:
    assert status(event, invocation, s3_app) == 400


@pytest.mark.parametrize(
    "event",
    [
        None, [], 5, "x", {}, {"key1": "value1"}, {"Records": []}, {"source": "aws.ec2", "detail-type": "x"},
        [{"url": URL}],
        # Over a pipe or as a source of its own, a stream.
        [{"eventSource": "aws:kinesis", "data": "aGVsbG8="}], {"Records": [{"eventSource": "aws:dynamodb"}]},
        # What a function leaves to its destination: "Capturing records of Lambda asynchronous invocations".
        {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": {"url": URL}},
        {"requestPayload": {}, "bucket": UPLOADS, "key": KEY},
        # A rule that is too wide: what CloudTrail reports has S3 as its source as well.
        {
            "source": "aws.s3", "detail-type": "AWS API Call via CloudTrail",
            "detail": {"eventName": "PutObject", "requestParameters": {"bucketName": UPLOADS, "key": KEY}},
        },
        {"detail-type": "Scheduled Event", "source": "aws.events", "url": URL},
    ],
)  # fmt: skip
def test_an_event_that_nobody_understands_is_raised_with_what_was_seen(
    s3_app: App, invocation: Invocation, event: Any, log: Any
) -> None:
    with pytest.raises(MalformedRequestError) as raised:
        adapters.answer(event, invocation, s3_app)
    detail = str(raised.value)
    assert all(name in detail for name in (event or [])) if isinstance(event, dict) else type(event).__name__ in detail
    (line,) = log()
    assert (line["source"], line["error"]) == ("unknown", "malformed-request")
    for understood in ('"url"', '"bucket"', "API Gateway", "Load Balancer", "SQS", "S3 Batch"):
        assert understood in detail
