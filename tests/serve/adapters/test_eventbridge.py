"""EventBridge's events of S3."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from serve import adapters
from serve.adapters import eventbridge
from serve.adapters._records import DeliverAgainError, S3Object
from serve.app import App
from serve.invocation import Invocation
from tests.serve.s3_servers import UPLOADS, Proxy, refuses

pytest.importorskip("moto", reason="needs moto: it is in the dev environment")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen & Rex.jpg"
Load = Callable[[str], Any]


def test_a_new_object_leaves_a_result(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, read_result: Load, cat_jpeg: bytes
) -> None:
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    (answer,) = adapters.answer(sample_event("eventbridge_s3"), invocation, s3_app)["results"]
    assert answer["label"] == read_result(KEY)["label"] == "cat"


@pytest.mark.parametrize("key", ["a+b.jpg", "a%20b.jpg", "ü.jpg"])
def test_keys_come_as_they_are(sample_event: Load, key: str) -> None:
    event = sample_event("eventbridge_s3")
    event["detail"]["object"]["key"] = key
    item = eventbridge.object_in(event)
    assert isinstance(item, S3Object)
    assert item.key == key


def test_all_that_is_said_of_the_object_is_taken(sample_event: Load) -> None:
    event = sample_event("eventbridge_s3")
    described = event["detail"]["object"]
    described["version-id"] = "v1"
    item = eventbridge.object_in(event)
    assert isinstance(item, S3Object)
    assert (item.version_id, item.etag, item.sequencer) == ("v1", described["etag"], described["sequencer"])
    assert not item.skip
    described["size"] = 0
    item = eventbridge.object_in(event)
    assert isinstance(item, S3Object)
    assert item.skip == "an empty object"


@pytest.mark.parametrize("kind", ["Object Deleted", "Object Restore Initiated", "Object Tags Added"])
def test_other_events_of_s3_are_passed_over(s3_app: App, invocation: Invocation, sample_event: Load, kind: str) -> None:
    event = sample_event("eventbridge_s3") | {"detail-type": kind}
    (answer,) = adapters.answer(event, invocation, s3_app)["results"]
    assert answer["ignored"] == f"not an event of a photo: {kind}"


def test_a_restored_photo_is_classified(
    s3: "S3Client", s3_app: App, invocation: Invocation, sample_event: Load, read_result: Load, cat_jpeg: bytes
) -> None:
    """Its event has no sequencer: "EventBridge event message structure"."""
    s3.put_object(Bucket=UPLOADS, Key=KEY, Body=cat_jpeg)
    event = sample_event("eventbridge_s3") | {"detail-type": "Object Restore Completed"}
    del event["detail"]["object"]["sequencer"]
    adapters.answer(event, invocation, s3_app)
    assert read_result(KEY)["label"] == "cat"


def test_an_event_without_an_object_is_raised(s3_app: App, invocation: Invocation, sample_event: Load) -> None:
    event = sample_event("eventbridge_s3") | {"detail": {}}
    with pytest.raises(DeliverAgainError, match="bucket of an object"):
        adapters.answer(event, invocation, s3_app)


def test_a_passing_fault_is_raised(
    s3: "S3Client", s3_app: App, s3_proxy: Proxy, invocation: Invocation, sample_event: Load
) -> None:
    s3_proxy.faults = [refuses(f"GET {UPLOADS}", 503, "SlowDown")]
    with pytest.raises(DeliverAgainError, match="SlowDown"):
        adapters.answer(sample_event("eventbridge_s3"), invocation, s3_app)
