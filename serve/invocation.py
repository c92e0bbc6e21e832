"""What every call of the handler has, whatever its event."""

import os
import time
from typing import Any

_MARGIN_S = 0.25  # of the time left, kept for answering


class Invocation:
    """One call of the handler.

    Attributes:
        request_id: Lambda's, or a random one.
        trace_id: X-Ray's header for this call, or empty.
        deadline: when the answer is due, in seconds of `time.monotonic()`.
        cold_start: whether this is the first call of the process.
        started: when the call began, in seconds of `time.perf_counter()`.
    """

    def __init__(self, request_id: str, deadline: float, trace_id: str = "", *, cold_start: bool = False) -> None:
        self.request_id = request_id
        self.deadline = deadline
        self.trace_id = trace_id
        self.cold_start = cold_start
        self.started = time.perf_counter()

    def remaining_s(self) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self.deadline - time.monotonic())


def from_context(context: Any, *, cold_start: bool = False) -> Invocation:
    """The invocation of a Lambda context; without a context, one that may take a minute."""
    left_ms = getattr(context, "get_remaining_time_in_millis", lambda: 60_000)()
    return Invocation(
        request_id=getattr(context, "aws_request_id", None) or os.urandom(16).hex(),
        deadline=time.monotonic() + left_ms / 1000 - _MARGIN_S,
        # The runtime client sets it for each call.
        trace_id=os.environ.get("_X_AMZN_TRACE_ID", ""),
        cold_start=cold_start,
    )
