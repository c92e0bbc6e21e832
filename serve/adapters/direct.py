"""Direct invocation: `aws lambda invoke`, `sam local invoke`, another function.

The event is `{"url": "..."}`, `{"image": "<base64>"}` or `{"bucket": "...", "key": "..."}`, each with `"explain": true`
or without. The answer is the result object, or `{"error": {the problem}}`.
"""

from typing import Any

from serve import telemetry
from serve.adapters._records import s3_object
from serve.app import App, result
from serve.errors import INTERNAL_ERROR, MalformedRequestError, ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction
from serve.upload import flag, photo_in_json

SOURCE = "direct"
UNDERSTOOD = '{"url": "..."}, {"image": "<base64>"}, {"bucket": "...", "key": "..."[, "versionId": "..."]}'
_NAMES = ("url", "image", "bucket", "key")
# The senders of these take any answer, even an error, for "done": streams and topics, EventBridge with CloudTrail, a
# function whose destination this one is.
_ENVELOPES = ("Records", "detail-type", "requestPayload")


def infer(event: Any) -> bool:
    """An object that names a photo, and is not the event of some service."""
    if not isinstance(event, dict) or any(name in event for name in _ENVELOPES):
        return False
    return any(name in event for name in _NAMES)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """The result object, or the problem. Never raises."""
    record = telemetry.Record(invocation, source=SOURCE)
    try:
        answered = result(_classify(event, invocation, app, record))
    except ProblemError as problem:
        return problem_answer(problem, invocation, record)
    except Exception as error:  # noqa: BLE001  (as over HTTP: the log gets the traceback, the caller a plain answer)
        record.add_bug(error)
        answered = {"error": INTERNAL_ERROR}
    record.emit()
    return answered


def _classify(event: dict[str, Any], invocation: Invocation, app: App, record: telemetry.Record) -> Prediction:
    if "bucket" not in event and "key" not in event:
        return app.classify(photo_in_json(event), invocation, record)
    if "url" in event or "image" in event:
        raise MalformedRequestError('Send one of "url", "image", and "bucket" with "key".')
    item = s3_object(event.get("bucket"), event.get("key"), version_id=event.get("versionId"))
    explain = flag(event.get("explain", False))
    record.update(bucket=item.bucket, key=item.key)
    from serve.s3.objects import classify_object  # here: few requests need it

    return classify_object(item, invocation, app, record, explain=explain)


def problem_answer(
    problem: ProblemError, invocation: Invocation, record: telemetry.Record | None = None
) -> dict[str, Any]:
    """The answer that has a problem."""
    record = record or telemetry.Record(invocation, source=SOURCE)
    record.add_problem(problem)
    record.emit()
    return {"error": problem.problem()}
