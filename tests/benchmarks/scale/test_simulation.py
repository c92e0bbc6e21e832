"""The simulation against what queueing theory says, and against rules that can be counted by hand."""

import itertools
import math
import random
from collections.abc import Iterator

import pytest

from benchmarks.scale.queueing import Queue, QueueRun
from benchmarks.scale.simulation import Bucket, Function, Service, around, poisson, requests


def steady(rate: float, seconds: float, seed: int = 1) -> Iterator[float]:
    return poisson(lambda _: rate, rate, seconds, random.Random(seed))


def constant(seconds: float) -> Service:
    return lambda _: seconds


def exponential(mean_s: float) -> Service:
    return lambda chance: chance.expovariate(1 / mean_s)


def erlang_b(load: float, servers: int) -> float:
    """The share that is lost when no one waits (Erlang, 1917), by its usual recursion."""
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = load * blocked / (server + load * blocked)
    return blocked


def erlang_c(load: float, servers: int) -> float:
    """The share that has to wait in M/M/c."""
    blocked = erlang_b(load, servers)
    return blocked / (1 - load / servers * (1 - blocked))


def always_warm(warm: Service, concurrency: float = math.inf) -> Function:
    return Function(warm, 0.0, concurrency, keep_alive_s=math.inf, scaling_burst=math.inf, scaling_per_s=math.inf)


@pytest.mark.parametrize("service", [constant(0.5), exponential(0.5)], ids=["constant", "exponential"])
def test_the_refused_share_is_erlangs_whatever_the_service_time_varies(service: Service) -> None:
    outcome = requests(steady(10, 20_000), always_warm(service, 6), random.Random(2))
    assert outcome.throttled / outcome.arrived == pytest.approx(erlang_b(10 * 0.5, 6), rel=0.03)
    assert outcome.peak_concurrency == 6


def test_without_a_limit_the_mean_concurrency_is_rate_by_time_and_nobody_is_refused() -> None:
    outcome = requests(steady(40, 5_000), always_warm(constant(0.25)), random.Random(1))
    assert outcome.throttled == 0
    assert outcome.mean_concurrency == pytest.approx(40 * 0.25, rel=0.02)  # Little's law; M/D/inf
    assert set(outcome.latencies_s) == {0.25}


def test_the_queue_waits_as_in_m_m_c() -> None:
    queue = Queue(batch_size=1, first_batches=5, batches_per_s=0, most_batches=5)
    run = QueueRun(queue, always_warm(exponential(1)), lambda _: exponential(1), random.Random(3))
    outcome = run.run(steady(4, 40_000))
    mean = sum(outcome.latencies_s) / len(outcome.latencies_s)
    assert mean == pytest.approx(1 + erlang_c(4, 5) / (5 - 4), rel=0.05)
    assert outcome.mean_concurrency == pytest.approx(4, rel=0.02)
    assert outcome.peak_concurrency == 5
    assert len(outcome.latencies_s) == outcome.arrived


def test_a_request_after_the_keep_alive_starts_cold() -> None:
    function = Function(constant(0.1), 0.9, keep_alive_s=10)
    outcome = requests([0, 5, 15, 26], function, random.Random(1))
    assert outcome.cold == 2
    assert outcome.latencies_s == [1.0, 0.1, 0.1, 1.0]


def test_environments_start_at_most_so_many_at_once_and_a_second() -> None:
    function = Function(constant(100), 0, scaling_burst=1000, scaling_per_s=100)
    at_once = requests(itertools.repeat(0.0, 1500), function, random.Random(1))
    assert (at_once.throttled, at_once.cold) == (500, 1000)
    later = requests(itertools.chain([0.0] * 1000, [5.0] * 600), function, random.Random(1))
    assert later.throttled == 100


def test_a_bucket_fills_to_its_brim_only() -> None:
    bucket = Bucket(burst=2, rate=1)
    assert [bucket.take(0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(100) for _ in range(3)] == [True, True, False]


def test_the_gate_refuses_before_the_function() -> None:
    outcome = requests([0.0, 0.0, 0.0], always_warm(constant(1)), random.Random(1), Bucket(burst=2, rate=0.1))
    assert (outcome.invocations, outcome.throttled) == (2, 1)


def test_a_batch_goes_when_full_or_when_its_window_has_passed() -> None:
    sizes: list[int] = []

    def service(photos: int) -> Service:
        sizes.append(photos)
        return constant(0.5)

    run = QueueRun(Queue(batch_size=3, window_s=5), always_warm(constant(0)), service, random.Random(1))
    outcome = run.run([0, 1, 2, 10])
    assert sizes == [3, 1]
    assert sorted(outcome.latencies_s) == [0.5, 1.5, 2.5, 5.5]


def test_what_always_fails_is_dead_after_so_many_receives() -> None:
    queue = Queue(batch_size=1, visibility_s=30, receives=5, failure_share=1.0)
    outcome = QueueRun(queue, always_warm(constant(1)), lambda _: constant(1), random.Random(1)).run([0.0])
    assert (outcome.dead_letters, outcome.invocations, outcome.latencies_s) == (1, 5, [])
    assert outcome.ended_s == 4 * 30 + 1


def test_what_fails_now_and_then_is_done_in_the_end_or_dead() -> None:
    queue = Queue(visibility_s=30, receives=3, failure_share=0.2)
    run = QueueRun(queue, always_warm(constant(0.1)), lambda _: constant(0.1), random.Random(5))
    outcome = run.run(steady(50, 400))
    assert len(outcome.latencies_s) + outcome.dead_letters == outcome.arrived
    assert outcome.dead_letters / outcome.arrived == pytest.approx(0.2**3, rel=0.2)


def test_batches_grow_by_three_hundred_a_minute_while_messages_wait() -> None:
    queue = Queue(batch_size=1, first_batches=5, batches_per_s=5, most_batches=1000)
    run = QueueRun(queue, always_warm(constant(1000)), lambda _: constant(1000), random.Random(1))
    latencies_s = run.run([0.0] * 400).latencies_s
    assert latencies_s.count(1000) == 5
    assert sum(latency_s <= 1000 + 60.1 for latency_s in latencies_s) == pytest.approx(5 + 300, abs=1)


def test_batches_never_grow_beyond_the_maximum_concurrency() -> None:
    queue = Queue(batch_size=1, most_batches=7)
    outcome = QueueRun(queue, always_warm(constant(9)), lambda _: constant(9), random.Random(1)).run([0.0] * 50)
    assert outcome.peak_concurrency == 7


def test_the_same_seed_gives_the_same_figures() -> None:
    def outcome(seed: int) -> list[float]:
        return requests(steady(5, 100, seed), always_warm(exponential(1)), random.Random(seed)).latencies_s

    assert outcome(1) == outcome(1) != outcome(2)


def test_a_varying_rate_brings_what_its_integral_says() -> None:
    times = list(poisson(lambda now: 20 if now < 500 else 5, 20, 1000, random.Random(1)))
    assert times == sorted(times)
    assert sum(now < 500 for now in times) == pytest.approx(10_000, rel=0.03)
    assert sum(now >= 500 for now in times) == pytest.approx(2_500, rel=0.06)


def test_drawn_times_have_the_median_and_percentile_asked_for() -> None:
    draw, chance = around(0.2, 0.6), random.Random(1)
    drawn = sorted(draw(chance) for _ in range(40_000))
    assert drawn[20_000] == pytest.approx(0.2, rel=0.02)
    assert drawn[39_600] == pytest.approx(0.6, rel=0.05)
    with pytest.raises(ValueError, match="p99"):
        around(0.2, 0.1)
