"""Photos in S3 -> predictions, several at a time, until the invocation's time is over.

Every object is either done, or reported as still to do. A photo that can never be classified is done too: its result
holds the problem.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, NamedTuple, TypeGuard

from serve.adapters._records import Announced, S3Object, why_empty
from serve.app import App, summary
from serve.errors import FetchFailedError, MalformedRequestError, ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.s3 import results, storage
from serve.s3.faults import TransientFaultError
from serve.s3.storage import StoredObject
from serve.settings import SettingsError
from serve.telemetry import Record
from serve.upload import Photo

# Waiting for S3 takes threads, not processors. Each holds one photo, of up to MAX_IMAGE_BYTES.
_THREADS: Final = 8
_LOGGED: Final = 100  # parts of one event that are not understood: a message of 40 kB can have 20,000


class Attempt(NamedTuple):
    """What this invocation did with one object, or with a part of the event that it does not understand.

    Attributes:
        answer: a prediction, or why there will never be one, or None if there was nothing to classify or no time.
        retry: why the event must be delivered again; empty if the object is done.
    """

    item: Announced
    answer: Prediction | ProblemError | None = None
    retry: str = ""

    def summary(self) -> dict[str, Any]:
        """The attempt as JSON, for a person who reads what the function returned."""
        if isinstance(self.item, MalformedRequestError):
            return {"error": self.item.problem()}
        place = {"bucket": self.item.bucket, "key": self.item.key}
        if self.retry:
            return place | {"retry": self.retry}
        match self.answer:
            case Prediction():
                return place | summary(self.answer)
            case ProblemError():
                return place | {"error": self.answer.problem()}
        return place | {"ignored": self.item.skip}


def classify_object(
    item: S3Object, invocation: Invocation, app: App, record: Record, *, explain: bool = False
) -> Prediction:
    """Classify one object for a caller who waits; nothing is written.

    Raises:
        ProblemError: what to tell the caller.
    """
    try:
        image = _image(storage.get(item.bucket, item.key, item.version_id), app, record)
        return app.classify(Photo(image=image, explain=explain), invocation, record)
    except TransientFaultError as fault:
        record["fault"] = str(fault)
        raise FetchFailedError("S3 did not give the object: try again, or check the function's permissions.") from fault


def classify_objects(items: Sequence[Announced], invocation: Invocation, app: App, *, source: str) -> list[Attempt]:
    """Classify the objects side by side, and write their results, until the time is over.

    Args:
        source: of the event, for the log.

    Returns:
        An attempt at every item, in their order.

    Raises:
        SettingsError: there are photos, and no bucket for their results.
    """
    if not app.settings.results_bucket and any(_is_photo(item) for item in items):
        raise SettingsError("RESULTS_BUCKET is not set: photos in S3 need a bucket for their results, not their own.")
    # A single object gets a thread too: waiting for a thread can end in time, waiting for S3 cannot.
    pool = ThreadPoolExecutor(_THREADS)
    futures = {
        place: pool.submit(_attempt, item, invocation, app, source)
        for place, item in enumerate(items)
        if _is_photo(item)
    }
    wait(futures.values(), invocation.remaining_s())
    # What still runs may finish in a later invocation, or never. Either is harmless: the event comes again.
    pool.shutdown(wait=False, cancel_futures=True)
    ended = [_ended(item, futures.get(place), invocation, source) for place, item in enumerate(items)]
    not_understood = 0
    for place, (attempt, record) in enumerate(ended):
        record["cold_start"] = invocation.cold_start and place == 0  # one cold start, however many photos
        is_understood = not isinstance(attempt.item, MalformedRequestError)
        not_understood += not is_understood
        if is_understood or not_understood <= _LOGGED:
            record.emit()
    return [attempt for attempt, _ in ended]


def _is_photo(item: Announced) -> TypeGuard[S3Object]:
    return isinstance(item, S3Object) and not item.skip


def _ended(
    item: Announced, future: Future[tuple[Attempt, Record]] | None, invocation: Invocation, source: str
) -> tuple[Attempt, Record]:
    """How the attempt ended, and what to log of it."""
    if future and future.done() and not future.cancelled():
        return future.result()
    if isinstance(item, MalformedRequestError):
        record = Record(invocation, source=source, total_ms=0.0)
        record.add_problem(item)
        return Attempt(item, item, item.detail), record
    record = _record(item, invocation, source)
    if item.skip:
        record.update(ignored=item.skip, total_ms=0.0)
        return Attempt(item), record
    return _to_retry(item, "no time was left for it in this invocation", record), record


def _record(item: S3Object, invocation: Invocation, source: str) -> Record:
    return Record(invocation, source=source, bucket=item.bucket, key=item.key)


def _to_retry(item: S3Object, fault: str, record: Record) -> Attempt:
    record.update(error="transient-fault", detail=fault)
    return Attempt(item, retry=fault)


def _attempt(item: S3Object, invocation: Invocation, app: App, source: str) -> tuple[Attempt, Record]:
    """Classify one object and write its result. Never raises.

    Returns:
        The attempt, and what to log of it, with the photo's own time.
    """
    started = time.perf_counter()
    record = _record(item, invocation, source)
    try:
        attempt = _classify_and_write(item, invocation, app, record)
    except TransientFaultError as fault:
        attempt = _to_retry(item, str(fault), record)
    except Exception as error:  # noqa: BLE001  (one photo's fault must not take the others along)
        record.add_bug(error)
        attempt = Attempt(item, retry=record["detail"])
    record["total_ms"] = round((time.perf_counter() - started) * 1e3, 2)
    return attempt, record


def _classify_and_write(item: S3Object, invocation: Invocation, app: App, record: Record) -> Attempt:
    if not invocation.remaining_s():
        raise TransientFaultError("no time was left for it in this invocation")
    _refuse_loop(item, app)
    stored = None
    answer: Prediction | ProblemError
    try:
        stored = storage.get(item.bucket, item.key, item.version_id)
        image = _image(stored, app, record)
        if not image:
            record["ignored"] = why_empty(item.key)
            return Attempt(item._replace(skip=why_empty(item.key)))
        answer = app.classify(Photo(image=image), invocation, record)
    except ProblemError as problem:
        record.add_problem(problem)
        answer = problem
    if not results.write(item, stored, answer, app.classifier.description.version, app.settings):
        record["superseded"] = True
    return Attempt(item, answer)


def _refuse_loop(item: S3Object, app: App) -> None:
    """Keep results out of the bucket that photos come from: each would be an event, and its result another.

    Raises:
        TransientFaultError: they would go there. The event is kept until the settings are right.
    """
    if item.bucket == app.settings.results_bucket:
        raise TransientFaultError(
            f"RESULTS_BUCKET is {item.bucket!r}, where this object is: results there would set off the function again "
            "and again. Set RESULTS_BUCKET to another bucket."
        )


def _image(stored: StoredObject, app: App, record: Record) -> bytes:
    image = stored.read(app.settings.max_image_bytes)
    record["fetch_ms"] = round((time.perf_counter() - stored.asked) * 1e3, 2)
    return image
