import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import events, page_cache, processes
from benchmarks.environments import BenchmarkError


def test_the_error_about_a_process_that_ends_shows_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('could not start')"]
    with (
        pytest.raises(BenchmarkError, match=r"ended with status 1\ncould not start"),
        processes.process(command, tmp_path, {}) as started,
    ):
        processes.wait_for(processes.free_port(), started)


def test_no_process_outlives_its_block_nor_its_children(tmp_path: Path) -> None:
    sleeper = "import time; time.sleep(600)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeper!r}]).wait()"
    with processes.process([sys.executable, "-c", code], tmp_path, {}) as started:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
        deadline = time.monotonic() + 20
        while not children.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        (child,) = children.read_text().split()
    assert started.returncode is not None
    while not _has_ended(int(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _has_ended(int(child))


def _has_ended(pid: int) -> bool:
    """Whether it has ended; until its new parent notices, it is a zombie."""
    try:
        os.kill(pid, 0)
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_each_photo_in_s3_has_a_key_of_its_own() -> None:
    with processes.s3() as store:
        keys = store.put(b"photo", 2) + store.put(b"photo")
        assert len(set(keys)) == 3
        assert store.environ["RESULTS_BUCKET"] == events.RESULTS


def test_bytes_from_disk_are_those_that_the_process_has_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3_000_000))
    page_cache.drop([tmp_path])
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).read_bytes(); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout
        started.stdout.readline()
        assert processes.Running(started.pid, 0, is_emulated=False).disk_bytes() >= 3_000_000
        assert processes.Running(os.getpid(), 0, is_emulated=True).disk_bytes() >= 3_000_000
        started.communicate()


def test_ports_that_are_free_at_once_differ() -> None:
    assert len(set(processes.free_ports(50))) == 50
