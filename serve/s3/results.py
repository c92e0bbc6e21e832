"""Photos in S3, however the event came that tells of them -> one JSON result each in the results bucket.

Events come at least once, in any order, and several at a time. So a result's name depends on nothing but its source,
what it holds never goes back in time, and whatever could not be done is said to be still to do. A photo that can never
be classified is done too: its result says why.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from serve.app import App, result
from serve.errors import FetchFailedError, MalformedRequestError, NotFoundError, ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3 import storage
from serve.s3.storage import StoredObject, TemporaryFaultError
from serve.settings import SettingsError
from serve.telemetry import Record
from serve.upload import Photo

# Waiting for S3 takes threads, not processors. Each holds one photo, of up to MAX_IMAGE_BYTES.
_THREADS: Final = 8
_WRITE_ATTEMPTS: Final = 5


class DeliverAgainError(Exception):
    """Raised out of the handler, so that the source delivers the event again, and at last gives it to its dead-letter
    queue: "How Lambda handles errors and retries with asynchronous invocation" in AWS's Lambda Developer Guide.
    """


@dataclass(frozen=True)
class S3Object:
    """What an event tells of an object.

    Attributes:
        key: decoded.
        version_id, etag, sequencer: empty if the event does not say.
        skip: why there is nothing to classify; empty if there is.
    """

    bucket: str
    key: str
    version_id: str = ""
    etag: str = ""
    sequencer: str = ""
    skip: str = ""


Answer = Prediction | ProblemError | TemporaryFaultError | None


@dataclass(frozen=True)
class Outcome:
    """What became of one object.

    Attributes:
        source: the object.
        answer: a prediction, or why there will never be one, or the fault after which to try again, or None if there
            was nothing to classify.
    """

    source: S3Object
    answer: Answer

    @property
    def must_retry(self) -> bool:
        """Whether the event must be delivered again."""
        return isinstance(self.answer, TemporaryFaultError)

    def summary(self) -> dict[str, Any]:
        """The outcome for whoever called."""
        place = {"bucket": self.source.bucket, "key": self.source.key}
        match self.answer:
            case Prediction():
                return place | result(self.answer)
            case ProblemError():
                return place | {"error": self.answer.problem()}
            case None:
                return place | {"ignored": self.source.skip}
            case fault:
                return place | {"retry": str(fault)}


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
        MalformedRequestError: bucket or key are missing, or are not text.
    """
    for name, value in (("bucket", bucket), ("key", key)):
        if not isinstance(value, str) or not value or not _is_unicode(value):
            raise MalformedRequestError(f"The {name} of an object in S3 must be a string that is not empty.")
    if not skip and key.endswith("/"):
        skip = "a folder marker"
    if not skip and size == 0:
        skip = "an empty object"
    return S3Object(bucket, key, _text(version_id), _text(etag), _text(sequencer), skip)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and _is_unicode(value) else ""


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: JSON can hold half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def classify_object(source: S3Object, invocation: Invocation, app: App, record: Record) -> Prediction:
    """Classify one object for a caller who waits; nothing is written.

    Raises:
        ProblemError: what the caller should hear.
    """
    try:
        return _predict(storage.get(source.bucket, source.key, source.version_id), invocation, app, record)
    except TemporaryFaultError as fault:
        record["fault"] = str(fault)
        raise FetchFailedError("S3 did not give the object: try again, or check the function's permissions.") from fault


def classify_objects(objects: Sequence[S3Object], invocation: Invocation, app: App, *, source: str) -> list[Outcome]:
    """Classify the objects side by side, and write their results, as far as the time goes.

    Args:
        source: of the event, for the log.

    Returns:
        An outcome for every object, in their order.

    Raises:
        SettingsError: there are photos, and no bucket for their results.
    """
    todo = [item for item in objects if not item.skip]
    if todo and not app.settings.results_bucket:
        raise SettingsError("RESULTS_BUCKET is not set: photos in S3 need a bucket for their results, not their own.")
    done = iter(_side_by_side(todo, invocation, app, source))
    outcomes = []
    for item in objects:
        answer, record = _skipped(item, invocation, source) if item.skip else next(done)
        record.emit()
        outcomes.append(Outcome(item, answer))
    return outcomes


def result_key(item: S3Object, prefix: str) -> str:
    """The name of an object's result: the same at each delivery."""
    return f"{prefix}{item.bucket}/{item.key}.json"


def write_newest(bucket: str, key: str, new: Mapping[str, Any]) -> bool:
    """Write a result, unless the one that is there tells of a newer state of its source.

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
    """Whether a result takes the place of another one of the same source.

    Of the same state, the later result counts, as it may be a newer model's; but a photo that has gone since its
    first delivery was classified all the same. What is not a result at all gives way.
    """
    if not isinstance(old, dict) or not isinstance(old.get("source"), dict):
        return True
    newer, older = _state(new["source"], old["source"]), _state(old["source"], new["source"])
    return newer > older or (newer == older and ("label" in new or "label" not in old))


def _state(source: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Text that sorts by age: of the sequencer if both have one, else of the time of the upload.

    "The shorter sequencer is padded on its right with zeros, and the two are compared as text": Amazon S3 User Guide,
    "Event message structure".
    """
    sequencer, others = source.get("sequencer"), other.get("sequencer")
    if isinstance(sequencer, str) and isinstance(others, str) and sequencer and others:
        return sequencer.upper().ljust(len(others), "0")
    last_modified = source.get("last_modified")
    return last_modified if isinstance(last_modified, str) else ""


def _skipped(item: S3Object, invocation: Invocation, source: str) -> tuple[Answer, Record]:
    record = _record(item, invocation, source)
    record["ignored"] = item.skip
    return None, record


def _record(item: S3Object, invocation: Invocation, source: str) -> Record:
    return Record(invocation, source=source, bucket=item.bucket, key=item.key)


def _side_by_side(
    objects: Sequence[S3Object], invocation: Invocation, app: App, source: str
) -> list[tuple[Answer, Record]]:
    """The answer for each object, and what to log of it."""
    # A single object gets a thread as well: only so can waiting for it end in time.
    pool = ThreadPoolExecutor(_THREADS)
    futures = [pool.submit(_process, item, invocation, app, _record(item, invocation, source)) for item in objects]
    finished = wait(futures, invocation.remaining_s()).done
    # What still runs may finish in a later invocation, or never. Either is harmless: the event comes again.
    pool.shutdown(wait=False, cancel_futures=True)
    return [
        future.result() if future in finished else _out_of_time(_record(item, invocation, source))
        for future, item in zip(futures, objects, strict=True)
    ]


def _out_of_time(record: Record) -> tuple[Answer, Record]:
    return _fault(TemporaryFaultError("no time was left for it in this invocation"), record)


def _fault(fault: TemporaryFaultError, record: Record) -> tuple[Answer, Record]:
    record.update(error="temporary-fault", detail=str(fault))
    return fault, record


def _process(item: S3Object, invocation: Invocation, app: App, record: Record) -> tuple[Answer, Record]:
    """Classify one object and write its result. Never raises."""
    if not invocation.remaining_s():
        return _out_of_time(record)
    try:
        _refuse_loop(item, app)
        return _classify_and_write(item, invocation, app, record), record
    except TemporaryFaultError as fault:
        return _fault(fault, record)
    except Exception as error:  # noqa: BLE001  (one photo's fault must not take the others along)
        record.add_fault(error)
        return TemporaryFaultError(repr(error)), record


def _refuse_loop(item: S3Object, app: App) -> None:
    """Results may not go where photos come from: each would be an event again, and its result another.

    Raises:
        TemporaryFaultError: they would. Trying again does not help, but the event is kept until the settings are right.
    """
    if item.bucket == app.settings.results_bucket:
        raise TemporaryFaultError(
            f"RESULTS_BUCKET is {item.bucket!r}, where this object is: results there would set off the function again "
            "and again. Set RESULTS_BUCKET to another bucket."
        )


def _classify_and_write(item: S3Object, invocation: Invocation, app: App, record: Record) -> Prediction | ProblemError:
    settings = app.settings
    stored = None
    answer: Prediction | ProblemError
    try:
        stored = storage.get(item.bucket, item.key, item.version_id)
        answer = _predict(stored, invocation, app, record)
    except ProblemError as problem:
        record.add_problem(problem)
        answer = problem
    content = _content(item, stored, answer, app.classifier.description.version)
    written = write_newest(settings.results_bucket, result_key(item, settings.results_prefix), content)
    if not written:
        record["superseded"] = True
    elif settings.result_tags and isinstance(answer, Prediction):
        _tag(item, answer)
    return answer


def _predict(stored: StoredObject, invocation: Invocation, app: App, record: Record) -> Prediction:
    image = stored.read(app.settings.max_image_bytes)
    record["fetch_ms"] = round((time.perf_counter() - stored.asked) * 1e3, 2)
    return app.classify(Photo(image=image), invocation, record)


def _content(
    item: S3Object, stored: StoredObject | None, answer: Prediction | ProblemError, model_version: str
) -> dict[str, Any]:
    """What a result's file holds."""
    source = {
        "bucket": item.bucket,
        "key": item.key,
        # What was read tells more than what was announced: it may have been replaced since.
        "version_id": (stored.version_id if stored else item.version_id) or None,
        "etag": (stored.etag if stored else item.etag) or None,
        "sequencer": item.sequencer or None,
        "last_modified": stored.last_modified.isoformat() if stored else None,
    }
    said = {"error": answer.problem()} if isinstance(answer, ProblemError) else result(answer)
    time_now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"source": source, "model_version": model_version, **said, "time": time_now}


def _tag(item: S3Object, prediction: Prediction) -> None:
    tags = {"label": prediction.label, "probability": f"{prediction.probability:.6f}"}
    # A photo that has gone meanwhile needs none.
    with suppress(NotFoundError):
        storage.add_tags(item.bucket, item.key, item.version_id, tags)
