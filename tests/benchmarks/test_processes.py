import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import events, processes
from benchmarks.environments import BenchmarkError
from serve.http import Request
from serve.upload import photo_in


def test_the_form_is_one_that_servers_take() -> None:
    body, content_type = processes.form(b"\xff\xd8photo")
    request = Request("POST", "/predict", headers={"content-type": content_type}, body=body)
    assert photo_in(request, 1000).image == b"\xff\xd8photo"


def test_a_process_that_ends_is_told_with_its_output(tmp_path: Path) -> None:
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
    """Ended, or about to be: whoever inherits it has to notice."""
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
