import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lambda_function
from serve import telemetry


def predict(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "lambda_function.py", *arguments],
        cwd=root, env={**os.environ, "LOG_LEVEL": "ERROR", **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_example_is_a_cat(root: Path) -> None:
    done = predict(root, "examples/cat.jpg")
    assert done.returncode == 0
    assert json.loads(done.stdout)["label"] == "cat"


def test_a_file_that_is_no_photo_is_a_problem(root: Path) -> None:
    done = predict(root, "LICENSE")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: The file is not an image" in done.stderr


def test_only_the_first_call_is_a_cold_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.set_level("INFO")  # an app of another test may have set a higher one
    monkeypatch.setattr(lambda_function, "cold", True)
    lambda_function.handler({"image": ""}, None)
    lambda_function.handler({"image": ""}, None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["cold_start"] for line in lines] == [True, False]


def test_garbage_is_collected_once_all_is_imported() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_settings_that_cannot_be_used_stop_the_start_with_their_name(root: Path) -> None:
    done = predict(root, "examples/cat.jpg", NUM_THREADS="many")
    assert done.returncode == 1
    assert "NUM_THREADS='many'" in done.stderr
