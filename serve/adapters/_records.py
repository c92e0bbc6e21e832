"""What the adapters of S3 objects share: how an object is described, and what happens when one is not done.

Every cold start imports this file, so it imports nothing that only an event of S3 needs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

_MAX_NAME_BYTES: Final = 1024
"""Of a key or a version: Amazon S3 User Guide, "Naming Amazon S3 objects"."""
_SHOWN: Final = 10  # objects in an error, which Lambda logs


class DeliverAgainError(Exception):
    """Raised out of the handler, so that the service delivers the event again, and at last moves it to its dead-letter
    queue: "How Lambda handles errors and retries with asynchronous invocation" in the AWS Lambda Developer Guide.
    """


class S3Object(NamedTuple):
    """An object in S3, as an event describes it.

    Attributes:
        key: decoded.
        version_id, etag, sequencer: empty where the event has none.
        skip: why there is nothing to classify; empty if there is.
    """

    bucket: str
    key: str
    version_id: str = ""
    etag: str = ""
    sequencer: str = ""
    skip: str = ""


Announced = S3Object | MalformedRequestError
"""What an event announces: an object, or the problem of a part of the event that is not understood."""


def announced(describe: Callable[[Any], S3Object], record: Any) -> Announced:
    """The object of a record, or the problem, so that one bad record does not keep the others from being done."""
    try:
        return describe(record)
    except MalformedRequestError as problem:
        return problem


def s3_object(
    bucket: Any,
    key: Any,
    *,
    version_id: Any = None,
    etag: Any = None,
    sequencer: Any = None,
    size: Any = None,
    skip: str = "",
) -> S3Object:
    """The object with these properties, which may be any JSON values.

    Raises:
        MalformedRequestError: bucket or key are missing, are not text, or longer than S3 has them.
    """
    for name, value in (("bucket", bucket), ("key", key)):
        if not isinstance(value, str) or not value or not _is_unicode(value):
            raise MalformedRequestError(f"The {name} of an object in S3 must be a string that is not empty.")
    for name, value in (("bucket", bucket), ("key", key), ("version", _text(version_id))):
        if len(value.encode()) > _MAX_NAME_BYTES:
            raise MalformedRequestError(f"The {name} of an object in S3 has at most {_MAX_NAME_BYTES:,} bytes.")
    if not skip and size == 0:
        skip = why_empty(key)
    return S3Object(bucket, key, _text(version_id), _text(etag), _text(sequencer), skip)


def why_empty(key: str) -> str:
    """What an object without bytes is. The console of S3 makes folders as empty objects whose keys end in "/"."""
    return "a folder marker" if key.endswith("/") else "an empty object"


def _text(value: Any) -> str:
    return value if isinstance(value, str) and _is_unicode(value) else ""


def _is_unicode(text: str) -> bool:
    """Whether S3 can be asked for it: JSON can hold half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def classify_all(items: Sequence[Announced], invocation: Invocation, app: App, *, source: str) -> dict[str, Any]:
    """Classify all objects of an event that can only be delivered again as a whole.

    Raises:
        DeliverAgainError: at least one object is not done, or a part of the event is not understood. All others are
            done.
    """
    from serve.s3.objects import classify_objects

    attempts = classify_objects(items, invocation, app, source=source)
    undone = [attempt.summary() for attempt in attempts if attempt.retry]
    if undone:
        more = f" and {len(undone) - _SHOWN:,} more" if len(undone) > _SHOWN else ""
        raise DeliverAgainError(f"{len(undone)} of {len(attempts)} are still to do: {undone[:_SHOWN]}{more}")
    return {"results": [attempt.summary() for attempt in attempts]}


def is_records_of(event: Any, name: str, service: str) -> bool:
    """Whether an event has records, the first of which has this service under this name."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and bool(records) and member(records[0], name) == service


def member(value: Any, *names: str) -> Any:
    """The value at the end of these names in nested objects, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
