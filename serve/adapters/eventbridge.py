"""Amazon EventBridge: the events of S3, "Object Created" among them."""

from typing import Any

from serve.adapters._records import S3Object, classify_all, member, s3_object
from serve.app import App
from serve.invocation import Invocation

SOURCE = "eventbridge"


def infer(event: Any) -> bool:
    """An event that S3 sent to EventBridge."""
    return member(event, "source") == "aws.s3" and isinstance(member(event, "detail-type"), str)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of the object. EventBridge ignores it; a person who tries the function reads it.

    Raises:
        DeliverAgainError: the object is not done.
    """
    return classify_all([object_in(event)], invocation, app, source=SOURCE)


def object_in(event: dict[str, Any]) -> S3Object:
    """The object of an event.

    Raises:
        MalformedRequestError: it is not as "EventBridge event message structure" in the Amazon S3 User Guide
            describes it.
    """
    kind = event["detail-type"]
    return s3_object(
        member(event, "detail", "bucket", "name"),
        # Not encoded, unlike the key in a notification.
        member(event, "detail", "object", "key"),
        version_id=member(event, "detail", "object", "version-id"),
        etag=member(event, "detail", "object", "etag"),
        sequencer=member(event, "detail", "object", "sequencer"),
        size=member(event, "detail", "object", "size"),
        skip="" if kind == "Object Created" else f"not a new object: {kind}",
    )
