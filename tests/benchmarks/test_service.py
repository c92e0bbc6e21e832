"""The load that services are compared under, against a real one."""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks import service
from benchmarks.environments import BenchmarkError
from benchmarks.service import Service
from tests.local_service import LocalService, local_service


@pytest.fixture(scope="module")
def running() -> Iterator[LocalService]:
    with local_service() as started:
        yield started


def test_a_round_counts_every_request(running: LocalService, cat_jpeg: bytes) -> None:
    measured = Service("ours", running.running.pid, running.port)
    service.measure(measured, service.request(cat_jpeg), clients=3, count=8)
    ((rate, p50, p95, processor, megabytes),) = measured.measured
    assert rate > 0
    assert 0 < p50 <= p95
    assert processor >= 0
    assert 20 < megabytes < 1000
    assert len(asyncio.run(service.load(running.port, service.request(cat_jpeg), 3, 8))) == 8


def test_an_answer_that_is_no_prediction_ends_the_run(running: LocalService) -> None:
    with pytest.raises(BenchmarkError, match=r"answered .* 422 "):
        asyncio.run(service.load(running.port, service.request(b"\xff\xd8\xff no photo"), 1, 1))


def test_the_table_has_the_ratio_within_each_round() -> None:
    ours = Service("ours", 1, 1, [(200.0, 5.0, 9.0, 4.0, 60.0), (300.0, 5.0, 9.0, 4.0, 60.0)])
    other = Service("FastAPI", 2, 2, [(100.0, 10.0, 18.0, 8.0, 120.0), (300.0, 10.0, 18.0, 8.0, 120.0)])
    last = service.markdown([ours, other]).splitlines()[-1]
    assert last.startswith("| ours / FastAPI | 1.50 (1.00 to 2.00) | 0.50 (0.50 to 0.50) |")
