"""The result of a photo in S3: what it holds, its key, and which of two results of one object stays.

Delivery is at-least-once and unordered. Result keys are deterministic, and an older photo never overwrites a newer
result.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from serve.adapters._records import S3Object
from serve.app import result
from serve.errors import NotFoundError, ProblemError
from serve.model.classifier import Prediction
from serve.s3 import storage
from serve.s3.storage import StoredObject, TemporaryFaultError
from serve.settings import Settings

_WRITE_ATTEMPTS: Final = 5


def write(
    item: S3Object,
    stored: StoredObject | None,
    answer: Prediction | ProblemError,
    model_version: str,
    settings: Settings,
) -> bool:
    """Write the result of an object, and tag the object if the settings say so.

    Args:
        stored: what was read; None if it cannot be read.

    Returns:
        Whether it was written: not if there is one of a newer state of the object.

    Raises:
        TemporaryFaultError: it could not be written.
    """
    content = _content(item, stored, answer, model_version)
    written = write_newest(settings.results_bucket, result_key(item, settings.results_prefix), content)
    if written and settings.result_tags and isinstance(answer, Prediction):
        _tag(item, answer)
    return written


def result_key(item: S3Object, prefix: str) -> str:
    """The key of an object's result: the same at each delivery."""
    return f"{prefix}{item.bucket}/{item.key}.json"


def write_newest(bucket: str, key: str, new: Mapping[str, Any]) -> bool:
    """Write a result, unless the one that is there is of a newer state of its object.

    Nothing is lost between reading and writing: S3 writes only if what was read is still there.

    Returns:
        Whether it was written.

    Raises:
        TemporaryFaultError: it could not be, or others were faster time and again.
    """
    etag = ""
    for _ in range(_WRITE_ATTEMPTS):
        if storage.put_json(bucket, key, new, replaces=etag):
            return True
        old = storage.get_json(bucket, key)
        if old and not supersedes(new, old.value):
            return False
        etag = old.etag if old else ""
    raise TemporaryFaultError(f"others wrote {key!r} at the same time, {_WRITE_ATTEMPTS} times")


def supersedes(new: Mapping[str, Any], old: Any) -> bool:
    """Whether a result takes the place of another one of the same object.

    Of the same state, the later result counts, as it may be a newer model's. But a label stays where the object has
    gone since its first delivery. What is no result at all gives way.
    """
    if not isinstance(old, dict) or not isinstance(old.get("source"), dict):
        return True
    newer, older = _age(new["source"], old["source"]), _age(old["source"], new["source"])
    return newer > older or (newer == older and ("label" in new or "label" not in old))


def _age(state: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Text that sorts by age: the sequencer if both states have one, else the time of the upload.

    "Event message structure" in the Amazon S3 User Guide: the shorter sequencer is padded on its right with zeros,
    and the two are compared as text.
    """
    sequencer, others = state.get("sequencer"), other.get("sequencer")
    if isinstance(sequencer, str) and isinstance(others, str) and sequencer and others:
        return sequencer.upper().ljust(len(others), "0")
    last_modified = state.get("last_modified")
    return last_modified if isinstance(last_modified, str) else ""


def _content(
    item: S3Object, stored: StoredObject | None, answer: Prediction | ProblemError, model_version: str
) -> dict[str, Any]:
    """What the file of a result holds."""
    state = {
        "bucket": item.bucket,
        "key": item.key,
        # What was read, not what was announced: the object may have been replaced since.
        "version_id": (stored.version_id if stored else item.version_id) or None,
        "etag": (stored.etag if stored else item.etag) or None,
        "sequencer": item.sequencer or None,
        "last_modified": stored.last_modified.isoformat() if stored else None,
    }
    answered = {"error": answer.problem()} if isinstance(answer, ProblemError) else result(answer)
    time_now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"source": state, "model_version": model_version, **answered, "time": time_now}


def _tag(item: S3Object, prediction: Prediction) -> None:
    tags = {"label": prediction.label, "probability": f"{prediction.probability:.6f}"}
    # A photo that has gone meanwhile needs none.
    with suppress(NotFoundError):
        storage.add_tags(item.bucket, item.key, item.version_id, tags)
