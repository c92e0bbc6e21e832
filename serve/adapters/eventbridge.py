"""Amazon EventBridge: the events that S3 sends about its objects, "Object Created" among them."""

from typing import Any

from serve.adapters._records import Announced, S3Object, announced, classify_all, member, s3_object
from serve.app import App
from serve.invocation import Invocation

SOURCE = "eventbridge"
# "Using EventBridge" in the Amazon S3 User Guide lists the types. An archived photo can be read from its restore on.
_PHOTO_EVENTS = ("Object Created", "Object Restore Completed")


def infer(event: Any) -> bool:
    """An event that S3 sent about an object. CloudTrail, too, reports calls of S3 as source "aws.s3"."""
    kind = member(event, "detail-type")
    return member(event, "source") == "aws.s3" and isinstance(kind, str) and kind.startswith("Object ")


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of the object. EventBridge ignores it; a person who tries the function reads it.

    Raises:
        DeliverAgainError: the object is not done, or the event is not understood.
    """
    return classify_all([object_in(event)], invocation, app, source=SOURCE)


def object_in(event: dict[str, Any]) -> Announced:
    """The object of an event: "EventBridge event message structure" in the Amazon S3 User Guide."""
    return announced(_object_in, event)


def _object_in(event: dict[str, Any]) -> S3Object:
    kind = event["detail-type"]
    return s3_object(
        member(event, "detail", "bucket", "name"),
        # Not encoded, unlike the key in a notification.
        member(event, "detail", "object", "key"),
        version_id=member(event, "detail", "object", "version-id"),
        etag=member(event, "detail", "object", "etag"),
        sequencer=member(event, "detail", "object", "sequencer"),
        size=member(event, "detail", "object", "size"),
        skip="" if kind in _PHOTO_EVENTS else f"not an event of a photo: {str(kind)[:100]}",
    )
