"""One JSON line a request, which is a log entry and CloudWatch metrics at once (embedded metric format).

Never the photo, never a query string: a pre-signed URL's signature would be in it.
"""

import json
import sys
import time
from typing import Any, Final

from serve.errors import ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction

NAMESPACE: Final = "CatsVsDogs"

FAULT: Final = {
    "type": "urn:problem-type:internal-error",
    "title": "Internal error",
    "status": 500,
    "detail": "The service failed. The request was not at fault; try again later.",
}
"""What a client hears of a fault of ours."""


_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_least = "INFO"


def set_level(level: str) -> None:
    """Drop lines below this level: INFO for an answer, WARNING for a problem, ERROR for a fault of ours."""
    global _least
    _least = level


class Record(dict[str, Any]):
    """What is known of one request, or of one photo of a batch."""

    def __init__(self, invocation: Invocation, *, source: str, **fields: object) -> None:
        super().__init__(request_id=invocation.request_id, source=source, **fields)
        if invocation.trace_id:
            self["trace_id"] = invocation.trace_id
        self["cold_start"] = invocation.cold_start
        self._started = invocation.started

    def add_prediction(self, prediction: Prediction) -> None:
        """Note the answer, and the time it took."""
        self.update(
            label=prediction.label,
            probability=round(prediction.probability, 6),
            **({} if prediction.uncertain is None else {"uncertain": prediction.uncertain}),
            model_version=prediction.model_version,
            decode_ms=round(prediction.decode_ms, 2),
            inference_ms=round(prediction.inference_ms, 2),
        )

    def add_problem(self, problem: ProblemError) -> None:
        """Note what the client did wrong, or another server did."""
        self.update(error=problem.kind, detail=problem.detail)

    def add_fault(self, error: Exception) -> None:
        """Note a fault of ours, with all that helps to mend it."""
        import traceback  # here, because it is needed when something has gone wrong only

        self.update(error="internal-error", detail=repr(error), traceback="".join(traceback.format_exception(error)))

    def emit(self) -> None:
        """Write the line to standard output, where Lambda picks it up, unless its level is below the least."""
        self["level"] = "INFO" if "error" not in self else "ERROR" if "traceback" in self else "WARNING"
        if _LEVELS.index(self["level"]) < _LEVELS.index(_least):
            return
        self["total_ms"] = round((time.perf_counter() - self._started) * 1e3, 2)
        self["timestamp"] = int(time.time() * 1000)
        self["_aws"] = self._metrics()
        sys.stdout.write(json.dumps(self) + "\n")
        sys.stdout.flush()

    def _metrics(self) -> dict[str, Any]:
        """Which of the line's members are metrics, by which dimensions (CloudWatch embedded metric format)."""
        milliseconds = [name for name in ("total_ms", "fetch_ms", "decode_ms", "inference_ms") if name in self]
        directives = [_directive([["source"]], [(name, "Milliseconds") for name in milliseconds])]
        if "label" in self:
            self["predictions"] = 1
            directives.append(_directive([["label"]], [("predictions", "Count"), ("probability", "None")]))
        if "error" in self:
            self["errors"] = 1
            directives.append(_directive([["error"], ["source"]], [("errors", "Count")]))
        return {"Timestamp": self["timestamp"], "CloudWatchMetrics": directives}


def _directive(dimensions: list[list[str]], metrics: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "Dimensions": dimensions,
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics],
    }
