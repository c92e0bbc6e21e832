"""A simulation of Lambda under load: environments that start cold and are kept, a limit, and a queue before them.

Discrete events, no clock of the machine, one random generator: the same seed gives the same figures. Times are in
seconds. Rules and their sources, all of the AWS Lambda Developer Guide:

- "Lambda scaling behavior": a function gets at most 1,000 more environments every 10 seconds, refilled continuously,
  not saved up beyond 1,000; what comes faster, or above its concurrency, fails with 429.

How long an idle environment is kept AWS does not say; it is a parameter.
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
        warm: draws how long an invocation takes in an environment that is there.
        init_s: what starting an environment adds.
        concurrency: environments at most.
        keep_alive_s: how long an idle environment is kept.
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
        """Take one, if there is one."""
        if math.isinf(self.rate):
            return True
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Environments:
    """The environments of one function: which are busy, which are idle and for how long."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._idle: deque[float] = deque()  # since when, the longest first
        self._starts = Bucket(function.scaling_burst, function.scaling_per_s)
        self.busy = 0
        self.peak = 0

    def acquire(self, now: float) -> bool | None:
        """Whether the environment that takes an invocation now starts cold; None if there is none to take it."""
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
        """An invocation is over: its environment waits for the next."""
        self.busy -= 1
        self._idle.append(now)


@dataclass
class Outcome:
    """What came of a load. Latency is of what was answered, from its arrival to the end, in seconds."""

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
        """One more has been started, and takes so long."""
        self.invocations += 1
        self.cold += cold
        self.busy_s += took_s

    def quantile_s(self, share: float) -> float:
        """The latency that this share does not exceed (nearest rank); 0 if nothing was answered."""
        ordered = sorted(self.latencies_s)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

    @property
    def mean_concurrency(self) -> float:
        """Busy environments, averaged over time."""
        return self.busy_s / self.ended_s if self.ended_s else 0.0


def requests(
    arrivals: Iterable[float], function: Function, chance: random.Random, gate: Bucket | None = None
) -> Outcome:
    """Requests that wait for their answer: one that finds no environment, or no token at the gate, is refused (429)."""
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
    """Arrival times of a Poisson process whose rate a second varies, by thinning one of the highest rate.

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
        ValueError: the percentile is below the median, or the median is no time.
    """
    if not 0 < median_s <= p99_s:
        raise ValueError(f"takes 0 < median <= p99, not a median of {median_s} s and a p99 of {p99_s} s")
    sigma = math.log(p99_s / median_s) / 2.3263478740408408  # the normal distribution's 99th percentile
    return lambda chance: chance.lognormvariate(math.log(median_s), sigma)
