"""SQS: messages one by one, with each kind of content."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.adapters._records import DeliverAgainError
from serve.app import App
from serve.invocation import Invocation
from serve.settings import SettingsError
from tests.serve.s3_servers import RESULTS, UPLOADS, Proxy, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen & Rex.jpg"
Load = Callable[[str], Any]


def message(message_id: str, *keys: str, bucket: str = UPLOADS, size: int = 5) -> dict[str, Any]:
    """A message with a notification of new objects."""
    records = [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": size}},
        }
        for key in keys
    ]
    return raw(message_id, json.dumps({"Records": records}))


def raw(message_id: str, body: Any) -> dict[str, Any]:
    return {"messageId": message_id, "body": body, "eventSource": "aws:sqs"}


def in_group(record: dict[str, Any], group: str, queue: str = "photos.fifo") -> dict[str, Any]:
    arn = f"arn:aws:sqs:us-east-1:123456789012:{queue}"
    return record | {"eventSourceARN": arn, "attributes": {"MessageGroupId": group}}


def kept(messages: list[dict[str, Any]], invocation: Invocation, app: App, *, pipe: bool = False) -> list[str]:
    """The ids of the messages that the queue must keep."""
    answer = adapters.answer(messages if pipe else {"Records": messages}, invocation, app)
    assert set(answer) == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize("name", ["sqs_s3", "sqs_sns_s3", "sqs_eventbridge", "pipes_sqs"])
def test_every_kind_of_message_leaves_a_result(
    s3: "S3Client",
    s3_app: App,
    invocation: Invocation,
    sample_event: Load,
    read_result: Load,
    cat_jpeg: bytes,
    name: str,
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    assert adapters.answer(sample_event(name), invocation, s3_app) == {"batchItemFailures": []}
    assert read_result(KEY)["label"] == "cat"
    assert read_result(KEY)["source"]["sequencer"] == "0068F0A1B2C3D4E5F6"


@pytest.mark.parametrize("pipe", [False, True])
def test_only_messages_with_something_to_do_are_kept(
    s3: "S3Client",
    s3_app: App,
    s3_proxy: Proxy,
    invocation: Invocation,
    cat_jpeg: bytes,
    log: Callable[[], list[Any]],
    pipe: bool,
) -> None:
    for key in ("a.jpg", "b.jpg", "c.jpg", "denied.jpg"):
        s3.put_object(Bucket=UPLOADS, Key=key, Body=cat_jpeg)
    s3.put_object(Bucket=UPLOADS, Key="poison.jpg", Body=b"no photo")
    s3_proxy.faults = [refuses(f"GET {UPLOADS}/denied.jpg", 403, "AccessDenied")]
    messages = [
        message("good", "a.jpg"),
        message("half", "b.jpg", "denied.jpg", "c.jpg"),
        message("poison", "poison.jpg"),
        message("missing", "missing.jpg"),
        message("folder", "album/", size=0),
        message("results", "x.jpg", bucket=RESULTS),
        raw("test", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})),
        raw("empty", ""),
        raw("other", json.dumps({"order": 5})),
        raw("nothing", None),
        message("last", "a.jpg"),
    ]
    assert kept(messages, invocation, s3_app, pipe=pipe) == ["half", "results", "empty", "other", "nothing"]
    names = {item["Key"].removeprefix(f"v1/{UPLOADS}/") for item in s3.list_objects_v2(Bucket=RESULTS)["Contents"]}
    assert names == {f"{key}.jpg.json" for key in ("a", "b", "c", "poison", "missing")}
    assert sum(line.get("error") == "malformed-request" for line in log()) == 3


def test_a_message_that_is_understood_in_part_is_kept_and_its_photos_are_done(
    s3: "S3Client", s3_app: App, invocation: Invocation, read_result: Load, cat_jpeg: bytes
) -> None:
    s3.put_object(Bucket=UPLOADS, Key="a.jpg", Body=cat_jpeg)
    records = json.loads(message("half", "a.jpg")["body"])["Records"]
    half = raw("half", json.dumps({"Records": [*records, {"eventSource": "aws:s3"}]}))
    assert kept([half], invocation, s3_app) == ["half"]
    assert read_result("a.jpg")["label"] == "cat"


def test_of_a_fifo_queue_the_rest_of_a_failed_message_s_group_is_kept_in_order(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, cat_jpeg: bytes
) -> None:
    for key in ("a.jpg", "denied.jpg"):
        s3.put_object(Bucket=UPLOADS, Key=key, Body=cat_jpeg)
    s3_proxy.faults = [refuses(f"GET {UPLOADS}/denied.jpg", 403, "AccessDenied")]
    messages = [
        in_group(message("1", "a.jpg"), "cats"),
        in_group(message("2", "denied.jpg"), "cats"),
        in_group(message("3", "a.jpg"), "dogs"),
        in_group(message("4", "a.jpg"), "cats"),
        in_group(raw("5", "hello"), "birds"),
        in_group(message("6", "a.jpg"), "cats"),
        in_group(message("7", "a.jpg"), "birds"),
        in_group(message("8", "a.jpg"), "dogs"),
    ]
    assert kept(messages, invocation, s3_app) == ["2", "4", "5", "6", "7"]
    assert kept(messages, invocation, s3_app, pipe=True) == ["2", "4", "5", "6", "7"]
    fair = [record | {"eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:photos"} for record in messages]
    assert kept(fair, invocation, s3_app) == ["2", "5"]


def test_all_bad_keeps_all(s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation) -> None:
    s3_proxy.faults = [refuses("GET", 403, "AccessDenied")]
    messages = [message(str(number), f"{number}.jpg") for number in range(3)]
    assert kept(messages, invocation, s3_app) == ["0", "1", "2"]


def test_without_time_all_are_kept(s3: "S3Client", s3_app: App) -> None:
    late = Invocation("request-1", deadline=0)
    assert kept([message(str(number), f"{number}.jpg") for number in range(3)], late, s3_app) == ["0", "1", "2"]


def test_without_a_results_bucket_the_whole_batch_fails(
    s3_app: App, invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_app, "settings", s3_app.settings._replace(results_bucket=""))
    with pytest.raises(SettingsError):
        kept([message("1", "a.jpg")], invocation, s3_app)


def test_a_message_without_an_id_cannot_be_kept_alone(s3_app: App, invocation: Invocation) -> None:
    with pytest.raises(DeliverAgainError, match="messageId"):
        kept([raw("", "")], invocation, s3_app)
