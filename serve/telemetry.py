"""One JSON line a request: a log entry and CloudWatch metrics at once (embedded metric format).

A line never holds the photo, nor more of a photo's URL than scheme and host: a path or query may hold a token.
"""

import json
import os
import sys
import time
from typing import Any, Final

from serve.errors import INTERNAL_ERROR, ProblemError
from serve.invocation import Invocation
from serve.model.classifier import Prediction

NAMESPACE: Final = "PhotoClassifier"

_MAX_LABELS: Final = 10
"""Of a model whose predictions are counted by label: CloudWatch bills each value of a dimension as a metric of its own
("Amazon CloudWatch pricing"). The log line names the label, whatever their number."""

_MAX_FOUND: Final = 500  # characters: a server can send a long header
_MAX_FRAME: Final = 2000  # characters of a line of code, or of a message
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_least = "INFO"


def set_level(level: str) -> None:
    """Drop lines below this level: an answer is INFO, a problem WARNING, a bug ERROR."""
    global _least
    _least = level


class Record(dict[str, Any]):
    """The log entry of one request, or of one photo of a batch."""

    def __init__(self, invocation: Invocation, *, source: str, **fields: object) -> None:
        # Lambda sets the variable: "Defined runtime environment variables" in the AWS Lambda Developer Guide.
        function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local")
        super().__init__(request_id=invocation.request_id, function=function, source=source, **fields)
        if invocation.trace_id:
            self["trace_id"] = invocation.trace_id
        self["cold_start"] = invocation.cold_start
        self._started = invocation.started
        self._by_label = True

    def add_prediction(self, prediction: Prediction) -> None:
        """Add the answer and its milliseconds."""
        self.update(
            label=prediction.label,
            probability=round(prediction.probability, 6),
            **({} if prediction.uncertain is None else {"uncertain": prediction.uncertain}),
            model_version=prediction.model_version,
            decode_ms=round(prediction.decode_ms, 2),
            inference_ms=round(prediction.inference_ms, 2),
        )
        self._by_label = len(prediction.probabilities or ()) <= _MAX_LABELS

    def add_problem(self, problem: ProblemError) -> None:
        """Add what the client or another server did wrong."""
        self.update(error=problem.kind, detail=problem.detail)
        if problem.found:
            self["found"] = problem.found[:_MAX_FOUND]

    def add_bug(self, error: Exception) -> None:
        """Add the traceback of an exception that is not the client's."""
        import traceback  # here: only a bug needs it

        kind = str(INTERNAL_ERROR["type"]).rpartition(":")[2]
        detail = f"{type(error).__name__}: {error}"[:_MAX_FOUND]  # `repr` may hold what the exception is about: a photo
        lines = (line[:_MAX_FRAME].rstrip() for line in traceback.format_exception(error))
        self.update(error=kind, detail=detail, traceback="\n".join(lines))

    def emit(self) -> None:
        """Write the line to standard output, which Lambda logs, unless its level is below the least."""
        self["level"] = "INFO" if "error" not in self else "ERROR" if "traceback" in self else "WARNING"
        if _LEVELS.index(self["level"]) < _LEVELS.index(_least):
            return
        # A photo of a batch has its own time already.
        self.setdefault("total_ms", round((time.perf_counter() - self._started) * 1e3, 2))
        self["timestamp"] = int(time.time() * 1000)
        self["_aws"] = self._metrics()
        sys.stdout.write(json.dumps(self) + "\n")
        sys.stdout.flush()

    def _metrics(self) -> dict[str, Any]:
        """The line's metrics and their dimensions ("Specification: Embedded metric format", CloudWatch User Guide).

        Each has the function as a dimension: two stacks share no metric and no alarm.
        """
        milliseconds = [name for name in ("total_ms", "fetch_ms", "decode_ms", "inference_ms") if name in self]
        directives = [_directive([["function", "source"]], [(name, "Milliseconds") for name in milliseconds])]
        if "label" in self:
            self["predictions"] = 1
            dimensions = ["function", "label"] if self._by_label else ["function"]
            directives.append(_directive([dimensions], [("predictions", "Count"), ("probability", "None")]))
        if "error" in self:
            self["errors"] = 1
            directives.append(_directive([["function", "error"], ["function", "source"]], [("errors", "Count")]))
        return {"Timestamp": self["timestamp"], "CloudWatchMetrics": directives}


def _directive(dimensions: list[list[str]], metrics: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "Dimensions": dimensions,
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in metrics],
    }
