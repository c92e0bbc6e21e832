"""Photos in S3, whatever event announced them -> predictions, several at a time, as far as the time goes.

An event is delivered at least once, and several at a time. So every object is either done, or reported as still to do.
A photo that can never be classified is done too: its result holds the problem.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, NamedTuple

from serve.adapters._records import S3Object
from serve.app import App, result
from serve.errors import FetchFailedError, ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3 import results, storage
from serve.s3.storage import StoredObject, TemporaryFaultError
from serve.settings import SettingsError
from serve.telemetry import Record
from serve.upload import Photo

# Waiting for S3 takes threads, not processors. Each holds one photo, of up to MAX_IMAGE_BYTES.
_THREADS: Final = 8


class Attempt(NamedTuple):
    """What this invocation did with one object.

    Attributes:
        answer: a prediction, or why there will never be one, or None if there was nothing to classify or no time.
        retry: why the event must be delivered again; empty if the object is done.
    """

    item: S3Object
    answer: Prediction | ProblemError | None = None
    retry: str = ""

    def summary(self) -> dict[str, Any]:
        """The attempt as JSON, for a person who reads what the function returned."""
        place = {"bucket": self.item.bucket, "key": self.item.key}
        if self.retry:
            return place | {"retry": self.retry}
        match self.answer:
            case Prediction():
                return place | result(self.answer)
            case ProblemError():
                return place | {"error": self.answer.problem()}
        return place | {"ignored": self.item.skip}


def classify_object(item: S3Object, invocation: Invocation, app: App, record: Record) -> Prediction:
    """Classify one object for a caller who waits; nothing is written.

    Raises:
        ProblemError: what to tell the caller.
    """
    try:
        return _predict(storage.get(item.bucket, item.key, item.version_id), invocation, app, record)
    except TemporaryFaultError as fault:
        record["fault"] = str(fault)
        raise FetchFailedError("S3 did not give the object: try again, or check the function's permissions.") from fault


def classify_objects(objects: Sequence[S3Object], invocation: Invocation, app: App, *, source: str) -> list[Attempt]:
    """Classify the objects side by side, and write their results, as far as the time goes.

    Args:
        source: of the event, for the log.

    Returns:
        An attempt at every object, in their order.

    Raises:
        SettingsError: there are photos, and no bucket for their results.
    """
    if not app.settings.results_bucket and not all(item.skip for item in objects):
        raise SettingsError("RESULTS_BUCKET is not set: photos in S3 need a bucket for their results, not their own.")

    def record(item: S3Object) -> Record:
        return Record(invocation, source=source, bucket=item.bucket, key=item.key)

    # A single object gets a thread as well: only so can waiting for it end in time.
    pool = ThreadPoolExecutor(_THREADS)
    futures = [None if item.skip else pool.submit(_attempt, item, invocation, app, record(item)) for item in objects]
    wait([future for future in futures if future], invocation.remaining_s())
    # What still runs may finish in a later invocation, or never. Either is harmless: the event comes again.
    pool.shutdown(wait=False, cancel_futures=True)
    done = [_ended(item, future, record(item)) for item, future in zip(objects, futures, strict=True)]
    for _, line in done:
        line.emit()
    return [attempt for attempt, _ in done]


def _ended(item: S3Object, future: Future[tuple[Attempt, Record]] | None, record: Record) -> tuple[Attempt, Record]:
    """How the attempt ended, and what to log of it."""
    if future is None:
        record["ignored"] = item.skip
        return Attempt(item), record
    if future.done() and not future.cancelled():
        return future.result()
    return _out_of_time(item, record)


def _out_of_time(item: S3Object, record: Record) -> tuple[Attempt, Record]:
    return _to_retry(item, TemporaryFaultError("no time was left for it in this invocation"), record)


def _to_retry(item: S3Object, fault: TemporaryFaultError, record: Record) -> tuple[Attempt, Record]:
    record.update(error="temporary-fault", detail=str(fault))
    return Attempt(item, retry=str(fault)), record


def _attempt(item: S3Object, invocation: Invocation, app: App, record: Record) -> tuple[Attempt, Record]:
    """Classify one object and write its result. Never raises."""
    if not invocation.remaining_s():
        return _out_of_time(item, record)
    try:
        _refuse_loop(item, app)
        return Attempt(item, _classify_and_write(item, invocation, app, record)), record
    except TemporaryFaultError as fault:
        return _to_retry(item, fault, record)
    except Exception as error:  # noqa: BLE001  (one photo's fault must not take the others along)
        record.add_bug(error)
        return Attempt(item, retry=repr(error)), record


def _refuse_loop(item: S3Object, app: App) -> None:
    """Keep results out of the bucket that photos come from: each would be an event, and its result another.

    Raises:
        TemporaryFaultError: they would go there. The event is kept until the settings are right.
    """
    if item.bucket == app.settings.results_bucket:
        raise TemporaryFaultError(
            f"RESULTS_BUCKET is {item.bucket!r}, where this object is: results there would set off the function again "
            "and again. Set RESULTS_BUCKET to another bucket."
        )


def _classify_and_write(item: S3Object, invocation: Invocation, app: App, record: Record) -> Prediction | ProblemError:
    stored = None
    answer: Prediction | ProblemError
    try:
        stored = storage.get(item.bucket, item.key, item.version_id)
        answer = _predict(stored, invocation, app, record)
    except ProblemError as problem:
        record.add_problem(problem)
        answer = problem
    if not results.write(item, stored, answer, app.classifier.description.version, app.settings):
        record["superseded"] = True
    return answer


def _predict(stored: StoredObject, invocation: Invocation, app: App, record: Record) -> Prediction:
    image = stored.read(app.settings.max_image_bytes)
    record["fetch_ms"] = round((time.perf_counter() - stored.asked) * 1e3, 2)
    return app.classify(Photo(image=image), invocation, record)
