"""S3 Batch Operations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.adapters import s3_batch
from serve.app import App
from serve.invocation import Invocation
from serve.settings import Settings
from tests.serve.s3_servers import RESULTS, UPLOADS, Proxy, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen & Rex.jpg"
Load = Callable[[str], Any]


@pytest.mark.parametrize("name", ["s3_batch_v1", "s3_batch_v2"])
def test_both_schemas_succeed(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    sample_event: Load,
    read_result: Load,
    cat_jpeg: bytes,
    name: str,
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    event = sample_event(name)
    answer = adapters.answer(event, invocation, s3_app)
    (result,) = answer.pop("results")
    assert answer == {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": event["invocationId"],
    }
    assert (result["taskId"], result["resultCode"]) == (event["tasks"][0]["taskId"], "Succeeded")
    assert json.loads(result["resultString"])["label"] == read_result(KEY)["label"] == "cat"


def test_the_reports_text_stays_short_however_many_labels_there_are(
    s3: "S3Client",
    seven_model_path: Path,
    invocation: Invocation,
    sample_event: Load,
    read_result: Load,
    cat_jpeg: bytes,
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    app = App(Settings(model_path=seven_model_path, results_bucket=RESULTS, results_prefix="v1/", fetch_enabled=False))
    code, text = outcome(sample_event("s3_batch_v2"), invocation, app)
    assert code == "Succeeded"
    assert set(json.loads(text)) == {"bucket", "key", "label", "probability", "uncertain", "model_version"}
    assert len(read_result(KEY)["probabilities"]) == 7


def outcome(event: Any, invocation: Invocation, app: App, **changes: Any) -> tuple[str, str]:
    event["tasks"][0] |= changes
    (result,) = adapters.answer(event, invocation, app)["results"]
    assert result["taskId"] == event["tasks"][0]["taskId"]
    return result["resultCode"], result["resultString"]


def test_a_photo_that_can_never_be_classified_fails_for_good(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, read_result: Load
) -> None:
    code, text = outcome(sample_event("s3_batch_v1"), invocation, s3_app)
    assert (code, text) == ("PermanentFailure", "S3 has no such object. It may have been deleted.")
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=b"no photo")
    assert outcome(sample_event("s3_batch_v2"), invocation, s3_app)[0] == "PermanentFailure"
    assert read_result(KEY)["error"]["status"] == 415


def test_a_passing_fault_fails_for_now(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, sample_event: Load
) -> None:
    s3_proxy.faults = [refuses("GET", 503, "SlowDown")]
    code, text = outcome(sample_event("s3_batch_v1"), invocation, s3_app)
    assert code == "TemporaryFailure"
    assert "SlowDown" in text


def test_a_folder_marker_succeeds(s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    s3.put_object(Bucket=UPLOADS, Key="album/")
    code, text = outcome(sample_event("s3_batch_v2"), invocation, s3_app, s3Key="album/")
    assert (code, json.loads(text)["ignored"]) == ("Succeeded", "a folder marker")


def test_what_never_passes_fails_for_good(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, sample_event: Load
) -> None:
    missing = outcome(sample_event("s3_batch_v2"), invocation, s3_app, s3Bucket="no-such-bucket")
    assert missing == ("PermanentFailure", "S3 has no such bucket.")
    s3_proxy.faults = [refuses(f"GET {UPLOADS}", 403, "InvalidObjectState")]
    code, text = outcome(sample_event("s3_batch_v2"), invocation, s3_app)
    assert code == "PermanentFailure"
    assert "Restore it" in text


@pytest.mark.parametrize("key", ["album%20one/M%C3%A4uschen%20%26%20Rex.jpg", "album+one/M%C3%A4uschen+%26+Rex.jpg"])
@pytest.mark.parametrize(
    "arn", [f"arn:aws:s3:::{UPLOADS}", f"arn:aws-cn:s3:::{UPLOADS}", f"arn:aws:s3:us-east-1:123456789012:{UPLOADS}"]
)
def test_bucket_and_key_in_every_spelling(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, cat_jpeg: bytes, key: str, arn: str
) -> None:
    version = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration=version)  # type: ignore[arg-type]
    version_id = s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)["VersionId"]
    s3.delete_object(Bucket=UPLOADS, Key=KEY)
    event = sample_event("s3_batch_v1")
    assert outcome(event, invocation, s3_app, s3Key=key, s3BucketArn=arn, s3VersionId=version_id)[0] == "Succeeded"


@pytest.mark.parametrize(
    "arn", ["arn:aws:s3:us-east-1:123456789012:accesspoint/mine", "arn:aws:s3::123456789012:accesspoint/mine.mrap"]
)
def test_an_access_point_stands_for_its_bucket(arn: str) -> None:
    assert s3_batch._object_in({"s3BucketArn": arn, "s3Key": "k"}).bucket == arn


@pytest.mark.parametrize("task", [None, 5, {}, {"taskId": "1", "s3Key": "k"}, {"taskId": "1", "s3BucketArn": "a:::b"}])
def test_a_task_that_is_not_understood_fails_alone(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, cat_jpeg: bytes, task: Any
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    event = sample_event("s3_batch_v1")
    event["tasks"].insert(0, task)
    codes = [result["resultCode"] for result in adapters.answer(event, invocation, s3_app)["results"]]
    assert codes == ["PermanentFailure", "Succeeded"]
