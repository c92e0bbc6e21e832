import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import processes, worker
from benchmarks.environments import BenchmarkError

HANDLER = """
import beside
calls = []
def handler(event, context):
    print("this goes nowhere")
    calls.append(event)
    if event == "fail":
        raise RuntimeError("as asked")
    return {"calls": len(calls), "beside": beside.NAME}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "function.py").write_text(HANDLER)
    (tmp_path / "beside.py").write_text("NAME = 'found'")
    return tmp_path


def test_every_call_is_measured() -> None:
    called: list[Any] = []

    def handler(event: Any, _context: Any) -> int:
        called.append(event)
        return len(called)

    found = worker.measured(handler, ["a", "b"], 3)
    assert called == ["a", "a", "a", "b", "b", "b"]
    assert found["answer"] == 6
    assert len(found["seconds"]) == 6
    assert all(seconds > 0 for seconds in found["seconds"])


def test_peak_memory_grows_with_what_is_held() -> None:
    before = worker.peak_bytes()
    held = b"x" * (before + 50_000_000)
    assert worker.peak_bytes() > len(held)


def test_the_handler_runs_in_its_folder_and_keeps_its_state(folder: Path) -> None:
    with processes.worker(Path(sys.executable), folder, "function.handler", {}) as started:
        assert started.call("a")["answer"] == {"calls": 1, "beside": "found"}
        assert started.call("b", "c", count=2)["answer"] == {"calls": 5, "beside": "found"}


def test_a_handler_that_fails_is_told_with_its_error(folder: Path) -> None:
    with (
        processes.worker(Path(sys.executable), folder, "function.handler", {}) as started,
        pytest.raises(BenchmarkError, match="RuntimeError: as asked"),
    ):
        started.call("fail")


def test_a_handler_that_does_not_start_is_told_with_its_error(folder: Path) -> None:
    with (
        processes.worker(Path(sys.executable), folder, "no_such_module.handler", {}) as started,
        pytest.raises(BenchmarkError, match="No module named 'no_such_module'"),
    ):
        started.call("a")
