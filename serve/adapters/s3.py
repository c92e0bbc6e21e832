"""Amazon S3 event notifications that invoke the function itself, asynchronously."""

from typing import Any
from urllib.parse import unquote_plus

from serve.adapters._records import S3Object, classify_all, is_records_of, member, s3_object
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

SOURCE = "s3"
_TEST = "s3:TestEvent"


def infer(event: Any) -> bool:
    """Records of S3, or the test message that S3 sends when notifications are set up."""
    return is_records_of(event, "eventSource", "aws:s3") or (isinstance(event, dict) and event.get("Event") == _TEST)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of each object. S3 ignores it; a person who tries the function reads it.

    Raises:
        DeliverAgainError: at least one object is not done. All others are.
    """
    return classify_all(objects_in(event), invocation, app, source=SOURCE)


def objects_in(event: dict[str, Any]) -> list[S3Object]:
    """The objects of a notification.

    Raises:
        MalformedRequestError: a record is not as "Event message structure" in the Amazon S3 User Guide describes it.
    """
    return [] if event.get("Event") == _TEST else [_object_in(record) for record in event["Records"]]


def _object_in(record: Any) -> S3Object:
    name = member(record, "eventName")
    key = member(record, "s3", "object", "key")
    if not isinstance(name, str):
        raise MalformedRequestError("A record of S3 must have an event name.")
    return s3_object(
        member(record, "s3", "bucket", "name"),
        # Percent-encoded, with "+" for a blank: "Event message structure" in the Amazon S3 User Guide.
        unquote_plus(key) if isinstance(key, str) else None,
        version_id=member(record, "s3", "object", "versionId"),
        etag=member(record, "s3", "object", "eTag"),
        sequencer=member(record, "s3", "object", "sequencer"),
        size=member(record, "s3", "object", "size"),
        skip="" if name.removeprefix("s3:").startswith("ObjectCreated:") else f"not a new object: {name}",
    )
