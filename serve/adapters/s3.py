"""Amazon S3 event notifications, sent to the function itself, which Lambda does asynchronously."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

if TYPE_CHECKING:  # at run time these are loaded when an event needs them: others do not pay
    from serve.s3.results import S3Object

SOURCE = "s3"
_TEST = "s3:TestEvent"


def infer(event: Any) -> bool:
    """Records of S3, or the test that S3 sends when notifications are set up."""
    return is_records_of(event, "eventSource", "aws:s3") or (isinstance(event, dict) and event.get("Event") == _TEST)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of each object; nobody but a person who tries it out reads that.

    Raises:
        DeliverAgainError: something is still to do. The rest has been done.
    """
    return classify_all(objects_in(event), invocation, app, source=SOURCE)


def objects_in(event: dict[str, Any]) -> "list[S3Object]":
    """The objects of a notification.

    Raises:
        MalformedRequestError: a record is not as S3 documents it ("Event message structure" in the User Guide).
    """
    return [] if event.get("Event") == _TEST else [_object_in(record) for record in event["Records"]]


def classify_all(objects: "Sequence[S3Object]", invocation: Invocation, app: App, *, source: str) -> dict[str, Any]:
    """Classify all objects of an event that can be delivered again only as a whole.

    Raises:
        DeliverAgainError: something is still to do. The rest has been done.
    """
    from serve.s3.results import DeliverAgainError, classify_objects

    outcomes = classify_objects(objects, invocation, app, source=source)
    undone = [outcome.summary() for outcome in outcomes if outcome.must_retry]
    if undone:
        raise DeliverAgainError(f"{len(undone)} of {len(outcomes)} are still to do: {undone}")
    return {"results": [outcome.summary() for outcome in outcomes]}


def is_records_of(event: Any, name: str, source: str) -> bool:
    """Whether an event has records, the first of which names its source like this."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and bool(records) and member(records[0], name) == source


def member(value: Any, *names: str) -> Any:
    """The value at the end of these names in nested objects, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _object_in(record: Any) -> "S3Object":
    from serve.s3.results import s3_object

    name = member(record, "eventName")
    key = member(record, "s3", "object", "key")
    if not isinstance(name, str):
        raise MalformedRequestError("A record of S3 must have an event name.")
    return s3_object(
        member(record, "s3", "bucket", "name"),
        # Percent-encoded, with "+" for a blank: "Event message structure" in the User Guide.
        unquote_plus(key) if isinstance(key, str) else None,
        version_id=member(record, "s3", "object", "versionId"),
        etag=member(record, "s3", "object", "eTag"),
        sequencer=member(record, "s3", "object", "sequencer"),
        size=member(record, "s3", "object", "size"),
        skip="" if name.removeprefix("s3:").startswith("ObjectCreated:") else f"not a new object: {name}",
    )
