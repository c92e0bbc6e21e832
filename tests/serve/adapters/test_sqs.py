"""SQS: messages one by one, whatever they carry."""

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


def message(message_id: str, *keys: str, bucket: str = UPLOADS) -> dict[str, Any]:
    """A message with a notification of new objects."""
    records = [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 5}},
        }
        for key in keys
    ]
    return raw(message_id, json.dumps({"Records": records}))


def raw(message_id: str, body: Any) -> dict[str, Any]:
    return {"messageId": message_id, "body": body, "eventSource": "aws:sqs"}


def kept(messages: list[dict[str, Any]], invocation: Invocation, app: App) -> list[str]:
    """The ids of the messages that the queue must keep."""
    answer = adapters.answer({"Records": messages}, invocation, app)
    assert set(answer) == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize("name", ["sqs_s3", "sqs_sns_s3", "sqs_eventbridge"])
def test_whatever_carries_the_news_leaves_a_result(
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


def test_only_messages_with_something_to_do_are_kept(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, cat_jpeg: bytes, log: Callable[[], list[Any]]
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
        message("folder", "album/"),
        message("results", "x.jpg", bucket=RESULTS),
        raw("test", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})),
        raw("empty", ""),
        raw("other", json.dumps({"order": 5})),
        raw("nothing", None),
        message("last", "a.jpg"),
    ]
    assert kept(messages, invocation, s3_app) == ["half", "results", "empty", "other", "nothing"]
    names = {item["Key"].removeprefix(f"v1/{UPLOADS}/") for item in s3.list_objects_v2(Bucket=RESULTS)["Contents"]}
    assert names == {f"{key}.jpg.json" for key in ("a", "b", "c", "poison", "missing")}
    assert sum(line.get("error") == "malformed-request" for line in log()) == 3


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
