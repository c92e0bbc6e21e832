"""A simulation of Lambda under load: environments that start cold and stay, their limit, and a queue before them.

It has discrete events, no clock and one random generator, so the same seed gives the same figures. Times are in
seconds. The rule, from the AWS Lambda Developer Guide:

- "Lambda scaling behavior": a function gets at most 1,000 more environments every 10 seconds, refilled continuously,
  and never more than 1,000 at once. Requests beyond that, or beyond its concurrency, fail with 429.

AWS does not say how long it keeps an idle environment, so that is a parameter.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

SCALING_BURST: Final = 1000
SCALING_PER_S: Final = 100.0
Service = Callable[[random.Random], float]


@dataclass(frozen=True)
class Function:
    """A Lambda function.

    Attributes:
        warm: draws the time of an invocation in a warm environment.
        init_s: added by a cold start.
        concurrency: environments at most.
        keep_alive_s: how long an idle environment stays.
        scaling_burst: environments that may start at once.
        scaling_per_s: further ones, a second.
    """

    warm: Service
    init_s: float
    concurrency: float = math.inf
    keep_alive_s: float = 300.0
    scaling_burst: float = SCALING_BURST
    scaling_per_s: float = SCALING_PER_S


@dataclass
class Bucket:
    """A token bucket: `burst` at once, `rate` a second."""

    burst: float
    rate: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, now: float) -> bool:
        """Take a token; False if the bucket is empty."""
        if math.isinf(self.rate):
            return True
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Environments:
    """The environments of one function: how many are busy, and since when the others are idle."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._idle: deque[float] = deque()  # since when, the longest first
        self._starts = Bucket(function.scaling_burst, function.scaling_per_s)
        self.busy = 0
        self.peak = 0

    def acquire(self, now: float) -> bool | None:
        """Give an invocation an environment: True if it starts cold, False if it is warm, None if there is no room."""
        while self._idle and now - self._idle[0] > self._function.keep_alive_s:
            self._idle.popleft()
        if self.busy >= self._function.concurrency or not (self._idle or self._starts.take(now)):
            return None
        cold = not self._idle
        if not cold:
            self._idle.pop()
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        return cold

    def release(self, now: float) -> None:
        """An invocation ends, and its environment waits for the next."""
        self.busy -= 1
        self._idle.append(now)


@dataclass
class Outcome:
    """The result of a load. Latency is from a request's arrival to its answer, in seconds."""

    arrived: int = 0
    throttled: int = 0
    invocations: int = 0
    cold: int = 0
    busy_s: float = 0.0
    peak_concurrency: int = 0
    ended_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    dead_letters: int = 0
    peak_waiting: int = 0

    def note_invocation(self, took_s: float, *, cold: bool) -> None:
        """Count an invocation that takes so long."""
        self.invocations += 1
        self.cold += cold
        self.busy_s += took_s

    def quantile_s(self, share: float) -> float:
        """The latency that this share does not exceed (nearest rank); 0 without an answer."""
        ordered = sorted(self.latencies_s)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

    @property
    def mean_concurrency(self) -> float:
        """Busy environments, averaged over time."""
        return self.busy_s / self.ended_s if self.ended_s else 0.0


def requests(
    arrivals: Iterable[float], function: Function, chance: random.Random, gate: Bucket | None = None
) -> Outcome:
    """Requests that wait for their answer. Without an environment, or a token at the gate, one is refused (429)."""
    environments, outcome, ends = Environments(function), Outcome(), list[float]()
    for now in arrivals:
        while ends and ends[0] <= now:
            environments.release(heapq.heappop(ends))
        outcome.arrived += 1
        cold = environments.acquire(now) if gate is None or gate.take(now) else None
        if cold is None:
            outcome.throttled += 1
            continue
        took = function.warm(chance) + cold * function.init_s
        heapq.heappush(ends, now + took)
        outcome.note_invocation(took, cold=cold)
        outcome.latencies_s.append(took)
        outcome.ended_s = max(outcome.ended_s, now + took)
    outcome.peak_concurrency = environments.peak
    return outcome


def poisson(rate: Callable[[float], float], most: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """Arrival times of a Poisson process with a varying rate a second, by thinning one of the highest rate.

    Lewis and Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979.

    Args:
        rate: at a time, never above `most`.
        most: the highest rate.
        seconds: how long.
        chance: the generator.
    """
    now = chance.expovariate(most)
    while now < seconds:
        if chance.random() * most <= rate(now):
            yield now
        now += chance.expovariate(most)


def around(median_s: float, p99_s: float) -> Service:
    """Times that vary like measured ones: log-normal, with this median and this 99th percentile.

    Raises:
        ValueError: the percentile is below the median, or the median is not above 0.
    """
    if not 0 < median_s <= p99_s:
        raise ValueError(f"the median is {median_s} s and the p99 {p99_s} s: needs 0 < median <= p99")
    sigma = math.log(p99_s / median_s) / 2.3263478740408408  # the normal distribution's 99th percentile
    return lambda chance: chance.lognormvariate(math.log(median_s), sigma)
