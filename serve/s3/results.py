"""The result of a photo in S3: what it holds, its key, and which of two results of one object stays.

Delivery is at-least-once and unordered. Result keys are deterministic, and an older photo never overwrites a newer
result.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from serve.adapters._records import S3Object
from serve.app import result
from serve.errors import ProblemError
from serve.model.classifier import Prediction
from serve.s3 import storage
from serve.s3.faults import TransientFaultError
from serve.s3.storage import StoredObject
from serve.settings import Settings

_WRITE_ATTEMPTS: Final = 5
_MAX_KEY_BYTES: Final = 1024  # "Creating object key names" in the Amazon S3 User Guide
# "Object tag-related restrictions" in the Amazon S3 User Guide: letters, numbers, spaces and these, up to 256 of them
_NOT_IN_TAGS: Final = re.compile(r"[^\w\s+=.:/@-]")
_MAX_TAG_VALUE: Final = 256
_HASHED: Final = re.compile(r"~[0-9a-f]{64}\.json\Z")


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
        Whether the bucket has it now: not if it has one of a newer state of the object.

    Raises:
        TransientFaultError: S3 failed.
    """
    content = _content(item, stored, answer, model_version)
    written = write_newest(settings.results_bucket, result_key(item, settings.results_prefix), content)
    if written and settings.result_tags and stored and isinstance(answer, Prediction):
        _tag(item, stored, answer)
    return written


def result_key(item: S3Object, prefix: str) -> str:
    """The key of an object's result: the same at each delivery, and different for each object.

    A key that is too long for S3 is cut, and ends in the SHA-256 of the object's bucket and key. So does a key with an
    ending of that form: otherwise somebody could upload an object whose result replaces another's.
    """
    key = f"{prefix}{item.bucket}/{item.key}.json"
    if len(key.encode()) <= _MAX_KEY_BYTES and not _HASHED.search(key):
        return key
    ending = f"~{sha256(f'{item.bucket}/{item.key}'.encode()).hexdigest()}.json"
    return key.encode()[: _MAX_KEY_BYTES - len(ending)].decode(errors="ignore") + ending


def write_newest(bucket: str, key: str, new: Mapping[str, Any]) -> bool:
    """Write a result, unless the bucket has one of a newer state of the object.

    Nothing is lost between reading and writing: S3 writes only if the result that was read is still there.

    Returns:
        Whether the bucket has it now. Another delivery may have written the same, with an earlier time.

    Raises:
        TransientFaultError: S3 failed, or other deliveries were faster at every attempt.
    """
    etag = ""
    for _ in range(_WRITE_ATTEMPTS):
        if storage.put_json(bucket, key, new, replaces=etag):
            return True
        old = storage.get_json(bucket, key)
        if old and _without_time(old.value) == _without_time(new):
            return True
        if old and not supersedes(new, old.value):
            return False
        etag = old.etag if old else ""
    raise TransientFaultError(f"others wrote {key!r} at the same time, {_WRITE_ATTEMPTS} times")


def _without_time(content: Any) -> Any:
    return {**content, "time": None} if isinstance(content, Mapping) else content


def supersedes(new: Mapping[str, Any], old: Any) -> bool:
    """Whether a result replaces another result of the same object.

    Of two results of one state, the later counts: it may be a newer model's. But a label stays when a second delivery
    finds the object deleted. A file that is not a result is always replaced.
    """
    if not isinstance(old, dict) or not isinstance(old.get("source"), dict):
        return True
    order = _order(new["source"], old["source"])
    return order > 0 or (order == 0 and ("label" in new or "label" not in old))


def _order(new: Mapping[str, Any], old: Mapping[str, Any]) -> int:
    """1 if the new state of an object is the later upload, 0 if both are the same upload, -1 if the old one is later.

    The sequencers decide if both states have one. "Event message structure" in the Amazon S3 User Guide: pad the
    shorter on its right with zeros, then compare the two as text. Otherwise the upload times decide. They are whole
    seconds, and unknown of an object that was never read, so S3 decides where they cannot.
    """
    mine, other = _text(new, "sequencer"), _text(old, "sequencer")
    if mine and other:
        length = max(len(mine), len(other))
        return _compare(mine.upper().ljust(length, "0"), other.upper().ljust(length, "0"))
    is_same_version = _version(new) == _version(old)
    mine, other = _text(new, "last_modified"), _text(old, "last_modified")
    if mine != other and (is_same_version or (mine and other)):
        return _compare(mine, other)
    return _order_of_contents(new, old) if is_same_version else _order_of_versions(new, old)


def _order_of_versions(new: Mapping[str, Any], old: Mapping[str, Any]) -> int:
    latest = storage.latest_of((_version(new), _version(old)), new["bucket"], new["key"])
    return 1 if latest == _version(new) else -1


def _order_of_contents(new: Mapping[str, Any], old: Mapping[str, Any]) -> int:
    """The order of two uploads of one version, that is, without versions: what S3 has now is the later one."""
    mine, other = _text(new, "etag"), _text(old, "etag")
    if not mine or not other or mine == other:
        return 0
    return 1 if storage.etag_now(new["bucket"], new["key"], _text(new, "version_id")) == mine else -1


def _compare(one: str, other: str) -> int:
    return (one > other) - (one < other)


def _text(state: Mapping[str, Any], name: str) -> str:
    value = state.get(name)
    return value if isinstance(value, str) else ""


def _version(state: Mapping[str, Any]) -> str:
    """The version id. It is "null" for an object that was stored without versioning."""
    return _text(state, "version_id") or "null"


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


def _tag_value(label: str) -> str:
    """The label with "_" for each character that no tag may have, and no longer than one may be."""
    return _NOT_IN_TAGS.sub("_", label)[:_MAX_TAG_VALUE]


def _tag(item: S3Object, stored: StoredObject, prediction: Prediction) -> None:
    """Tag the version that was read. Without versioning, tag nothing if another upload has replaced it."""
    tags = {"label": _tag_value(prediction.label), "probability": f"{prediction.probability:.6f}"}
    # A photo that was deleted meanwhile needs none.
    with suppress(ProblemError):
        if stored.version_id or storage.etag_now(item.bucket, item.key) == stored.etag:
            storage.add_tags(item.bucket, item.key, stored.version_id, tags)
