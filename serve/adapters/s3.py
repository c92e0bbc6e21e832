"""Amazon S3 event notifications that invoke the function itself, asynchronously."""

from typing import Any
from urllib.parse import unquote_plus

from serve.adapters._records import Announced, S3Object, announced, classify_all, is_records_of, member, s3_object
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

SOURCE = "s3"
_TEST = "s3:TestEvent"
# "Supported event types" in the Amazon S3 User Guide. An archived photo can be read from its restore on.
_PHOTO_EVENTS = ("ObjectCreated:", "ObjectRestore:Completed")


def infer(event: Any) -> bool:
    """Records of S3, or the test message that S3 sends when notifications are set up."""
    return is_records_of(event, "eventSource", "aws:s3") or (isinstance(event, dict) and event.get("Event") == _TEST)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of each object. S3 ignores it; a person who tries the function reads it.

    Raises:
        DeliverAgainError: at least one object is not done, or a record is not understood. All others are done.
    """
    return classify_all(objects_in(event), invocation, app, source=SOURCE)


def objects_in(event: dict[str, Any]) -> list[Announced]:
    """The objects of a notification; none of S3's test message."""
    return [] if event.get("Event") == _TEST else [announced(_object_in, record) for record in event["Records"]]


def _object_in(record: Any) -> S3Object:
    """The object of a record: "Event message structure" in the Amazon S3 User Guide."""
    name = member(record, "eventName")
    key = member(record, "s3", "object", "key")
    if not isinstance(name, str):
        raise MalformedRequestError("A record of S3 must have an event name.")
    return s3_object(
        member(record, "s3", "bucket", "name"),
        # Percent-encoded, with "+" for a blank.
        unquote_plus(key) if isinstance(key, str) else None,
        version_id=member(record, "s3", "object", "versionId"),
        etag=member(record, "s3", "object", "eTag"),
        sequencer=member(record, "s3", "object", "sequencer"),
        size=member(record, "s3", "object", "size"),
        skip="" if name.removeprefix("s3:").startswith(_PHOTO_EVENTS) else f"not an event of a photo: {name[:100]}",
    )
