"""A simulated queue before a Lambda function: batches, retries and dead letters as in SQS and Lambda.

The rules, both from the AWS Lambda Developer Guide:

- "Configuring scaling behavior for SQS event source mappings": five batches at a time at first, up to 300 more a minute
  while messages wait, never more than the maximum concurrency.
- "Using Lambda with Amazon SQS": a batch is sent when it is full or its window has passed; a failed message
  comes back after the visibility time-out, and after so many receives goes to the dead-letter queue.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.scale.simulation import Environments, Function, Outcome, Service


@dataclass(frozen=True)
class Queue:
    """A queue and its reader.

    Attributes:
        batch_size: most messages of one invocation.
        window_s: how long an incomplete batch waits.
        visibility_s: after which a failed message comes back.
        receives: after this many, a failed message goes to the dead-letter queue.
        failure_share: share of deliveries that fail.
        first_batches: at a time, at first.
        batches_per_s: added while messages wait.
        most_batches: at a time: the maximum concurrency.
    """

    batch_size: int = 10
    window_s: float = 0.0
    visibility_s: float = 30.0
    receives: int = 5
    failure_share: float = 0.0
    first_batches: float = 5
    batches_per_s: float = 5.0
    most_batches: float = 1000


class QueueRun:
    """One run of a queue before a function.

    `service(photos)` draws the time of a batch of that size.
    """

    def __init__(
        self, queue: Queue, function: Function, service: Callable[[int], Service], chance: random.Random
    ) -> None:
        self._queue, self._service, self._chance = queue, service, chance
        self._function = function
        self._environments = Environments(function)
        self._waiting: deque[tuple[float, float, int]] = deque()  # (visible since, arrived, receives so far)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._behind_since: float | None = None
        self._growth_due = False
        self._outcome = Outcome()

    def run(self, arrivals: Iterable[float]) -> Outcome:
        """Let messages arrive at these times, in order, until all are done or in the dead-letter queue."""
        coming = iter(arrivals)
        following = next(coming, None)
        while following is not None or self._events:
            if following is not None and (not self._events or following <= self._events[0][0]):
                self._outcome.arrived += 1
                self._show(following, following, 0)
                following = next(coming, None)
            else:
                now, _, happens = heapq.heappop(self._events)
                happens(now)
        self._outcome.peak_concurrency = self._environments.peak
        return self._outcome

    def _at(self, time: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happens))

    def _show(self, now: float, arrived: float, receives: int) -> None:
        self._waiting.append((now, arrived, receives))
        self._outcome.peak_waiting = max(self._outcome.peak_waiting, len(self._waiting))
        self._dispatch(now)
        if self._waiting and self._queue.window_s:
            self._at(now + self._queue.window_s, self._dispatch)

    def _dispatch(self, now: float) -> None:
        while self._ready(now) and self._environments.busy < self._limit(now):
            cold = self._environments.acquire(now)
            if cold is None:  # a throttled batch is retried
                break
            self._invoke(now, cold=cold)
        self._note_whether_behind(now)

    def _ready(self, now: float) -> bool:
        full = len(self._waiting) >= self._queue.batch_size
        return full or (bool(self._waiting) and now >= self._waiting[0][0] + self._queue.window_s)

    def _limit(self, now: float) -> float:
        behind_s = 0.0 if self._behind_since is None else now - self._behind_since
        more = 0.0 if behind_s == 0 else behind_s * self._queue.batches_per_s
        return min(self._queue.most_batches, math.floor(self._queue.first_batches + more))

    def _note_whether_behind(self, now: float) -> None:
        if not self._ready(now):
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
            self._look_again(now)

    def _look_again(self, now: float) -> None:
        """The number of batches grows while messages wait, without any other event."""
        grows = 0 < self._queue.batches_per_s < math.inf and self._limit(now) < self._queue.most_batches
        if self._behind_since is not None and grows and not self._growth_due:
            self._growth_due = True
            self._at(now + 1 / self._queue.batches_per_s, self._grow)

    def _grow(self, now: float) -> None:
        self._growth_due = False
        self._dispatch(now)
        self._look_again(now)

    def _invoke(self, now: float, *, cold: bool) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._queue.batch_size, len(self._waiting)))]
        took = self._service(len(batch))(self._chance) + cold * self._function.init_s
        self._outcome.note_invocation(took, cold=cold)
        self._at(now + took, lambda end: self._finish(end, now, batch))

    def _finish(self, end: float, received: float, batch: list[tuple[float, float, int]]) -> None:
        self._environments.release(end)
        self._outcome.ended_s = end
        for _, arrived, receives in batch:
            if self._chance.random() >= self._queue.failure_share:
                self._outcome.latencies_s.append(end - arrived)
            elif receives + 1 < self._queue.receives:
                self._return(max(end, received + self._queue.visibility_s), arrived, receives + 1)
            else:
                self._outcome.dead_letters += 1
        self._dispatch(end)

    def _return(self, at: float, arrived: float, receives: int) -> None:
        self._at(at, lambda now: self._show(now, arrived, receives))
