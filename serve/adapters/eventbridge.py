"""Amazon EventBridge: the events of S3, "Object Created" among them."""

from typing import TYPE_CHECKING, Any

from serve.adapters.s3 import classify_all, member
from serve.app import App
from serve.invocation import Invocation

if TYPE_CHECKING:  # at run time it is loaded when an event needs it: others do not pay
    from serve.s3.results import S3Object

SOURCE = "eventbridge"


def infer(event: Any) -> bool:
    """An event that EventBridge has from S3."""
    return member(event, "source") == "aws.s3" and isinstance(member(event, "detail-type"), str)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of the object; nobody but a person who tries it out reads that.

    Raises:
        DeliverAgainError: it is still to do.
    """
    return classify_all([object_in(event)], invocation, app, source=SOURCE)


def object_in(event: dict[str, Any]) -> "S3Object":
    """The object of an event.

    Raises:
        MalformedRequestError: it is not as S3 documents it ("EventBridge event message structure" in the User Guide).
    """
    from serve.s3.results import s3_object

    kind = event["detail-type"]
    return s3_object(
        member(event, "detail", "bucket", "name"),
        # As it is: unlike in a notification, nothing is encoded.
        member(event, "detail", "object", "key"),
        version_id=member(event, "detail", "object", "version-id"),
        etag=member(event, "detail", "object", "etag"),
        sequencer=member(event, "detail", "object", "sequencer"),
        size=member(event, "detail", "object", "size"),
        skip="" if kind == "Object Created" else f"not a new object: {kind}",
    )
