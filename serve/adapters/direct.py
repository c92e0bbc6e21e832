"""Direct invocation: `aws lambda invoke`, `sam local invoke`, another function.

`{"url": "..."}` or `{"image": "<base64>"}` in; the result object, or `{"error": {the problem}}`, out.
"""

from typing import Any

from serve import telemetry
from serve.app import App, result
from serve.errors import ProblemError
from serve.invocation import Invocation
from serve.upload import photo_in_json

SOURCE = "direct"
UNDERSTOOD = '{"url": "..."}, {"image": "<base64>"}, and the events of API Gateway.'


def infer(event: Any) -> bool:
    """An object that names a photo."""
    return isinstance(event, dict) and ("url" in event or "image" in event)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """The result object, or the problem."""
    record = telemetry.Record(invocation, source=SOURCE)
    try:
        answered = result(app.classify(photo_in_json(event), invocation, record))
        record.emit()
    except ProblemError as problem:
        return problem_answer(problem, invocation, record)
    return answered


def problem_answer(problem: ProblemError, invocation: Invocation, record: telemetry.Record | None = None) -> dict[str, Any]:
    """What a caller hears of a problem."""
    record = record or telemetry.Record(invocation, source=SOURCE)
    record.add_problem(problem)
    record.emit()
    return {"error": problem.problem()}
