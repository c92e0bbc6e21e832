"""S3 notifications, straight to the function."""

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.adapters import s3 as adapter
from serve.adapters._records import DeliverAgainError, S3Object
from serve.app import App
from serve.invocation import Invocation
from tests.serve.s3_servers import RESULTS, UPLOADS, Proxy, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen & Rex.jpg"
Load = Callable[[str], Any]


def the_object(event: Any) -> S3Object:
    (item,) = adapter.objects_in(event)
    assert isinstance(item, S3Object)
    return item


def test_a_notification_leaves_a_result(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, read_result: Load, cat_jpeg: bytes
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    event = sample_event("s3_upload")
    (answer,) = adapters.answer(event, invocation, s3_app)["results"]
    assert (answer["bucket"], answer["key"], answer["label"]) == (UPLOADS, KEY, "cat")
    assert read_result(KEY)["source"]["sequencer"] == event["Records"][0]["s3"]["object"]["sequencer"]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [("a+b.jpg", "a b.jpg"), ("a%2Bb.jpg", "a+b.jpg"), ("a%2520b.jpg", "a%20b.jpg"), ("%F0%9F%90%B1.jpg", "🐱.jpg")],
)
def test_keys_are_decoded(sample_event: Load, encoded: str, key: str) -> None:
    event = sample_event("s3_upload")
    event["Records"][0]["s3"]["object"]["key"] = encoded
    assert the_object(event).key == key


def test_a_version_is_taken_if_there_is_one(sample_event: Load) -> None:
    event = sample_event("s3_upload")
    item = the_object(event)
    assert (item.version_id, item.etag) == ("", event["Records"][0]["s3"]["object"]["eTag"])
    event["Records"][0]["s3"]["object"]["versionId"] = "v1"
    item = the_object(event)
    assert item.version_id == "v1"


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("ObjectCreated:Put", False),
        ("ObjectCreated:CompleteMultipartUpload", False),
        ("s3:ObjectCreated:Copy", False),
        ("ObjectRemoved:Delete", True),
        ("ObjectTagging:Put", True),
        ("ObjectRestore:Completed", False),
        ("ObjectRestore:Post", True),
        ("ObjectRestore:Delete", True),
    ],
)
def test_only_new_and_restored_objects_are_photos(sample_event: Load, name: str, skipped: bool) -> None:
    event = sample_event("s3_upload")
    event["Records"][0]["eventName"] = name
    item = the_object(event)
    assert bool(item.skip) is skipped


def test_the_test_that_s3_sends_is_nothing_to_do(s3_app: App, invocation: Invocation) -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": UPLOADS, "RequestId": "5582815E1AEA5ADF"}
    assert adapters.answer(event, invocation, s3_app) == {"results": []}


def test_if_one_must_be_retried_the_others_are_done_first(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, sample_event: Load, cat_jpeg: bytes
) -> None:
    event = sample_event("s3_upload")
    record = event["Records"].pop()
    for number in range(3):
        s3.put_object(Bucket=UPLOADS, Key=f"{number}.jpg", Body=cat_jpeg)
        event["Records"].append(deepcopy(record))
        event["Records"][number]["s3"]["object"]["key"] = f"{number}.jpg"
    s3_proxy.faults = [refuses(f"GET {UPLOADS}/1.jpg", 403, "AccessDenied")]
    with pytest.raises(DeliverAgainError, match=r"1 of 3 are still to do.*1\.jpg.*AccessDenied"):
        adapters.answer(event, invocation, s3_app)
    assert len(s3.list_objects_v2(Bucket=RESULTS)["Contents"]) == 2
    s3_proxy.faults = []
    assert len(adapters.answer(event, invocation, s3_app)["results"]) == 3
    assert len(s3.list_objects_v2(Bucket=RESULTS)["Contents"]) == 3


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("eventName",), None),
        (("s3",), []),
        (("s3", "bucket", "name"), 5),
        (("s3", "object", "key"), ""),
        (("s3", "object", "key"), None),
    ],
)
def test_a_record_that_is_not_understood_is_raised_and_the_others_are_done_first(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    sample_event: Load,
    read_result: Load,
    cat_jpeg: bytes,
    path: tuple[str, ...],
    value: Any,
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    event = sample_event("s3_upload")
    event["Records"].insert(0, deepcopy(event["Records"][0]))
    place = event["Records"][0]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(DeliverAgainError, match=r"1 of 2 are still to do.*malformed-request"):
        adapters.answer(event, invocation, s3_app)
    assert read_result(KEY)["label"] == "cat"
