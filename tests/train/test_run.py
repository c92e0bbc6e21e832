"""A run writes to its own folder, says what it was trained on, and replaces nothing that it was not told to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import make_photos
from tests.train.test_fit import Interrupted, Interrupting
from train import __main__ as cli
from train import data, fit, metadata

Start = Callable[..., int]

pytestmark = pytest.mark.training


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Runs the command line in the test's folder on `photos/`, with the baseline for one epoch."""
    make_photos(tmp_path / "photos", 20)
    monkeypatch.chdir(tmp_path)

    def command(*flags: str) -> int:
        small = ["--model", "baseline", "--img-size", "32", "--epochs", "1", "--batch-size", "16"]
        return cli.main(["--data-dir", "photos", *small, *flags])

    return command


@pytest.fixture
def interrupted(start: Start, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a run that was interrupted after its first epoch."""
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_Epochs", Interrupting)
        with pytest.raises(Interrupted):
            start()
    return Path("runs/photos/state/baseline/progress.json")


def test_everything_goes_to_the_folder_of_the_run(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    assert {path.name for path in Path().iterdir()} == {"photos", "runs", ".cache"}
    assert {path.name for path in Path("runs/photos").iterdir()} == {
        "baseline.keras", "history", "metadata.json", "state"
    }  # fmt: skip
    known = metadata.read(Path("runs/photos"))
    assert known["data"]["labels"] == ["cat", "dog"]
    assert known["data"]["identity"] == data.open_source(Path("photos")).identity()
    assert known["data_dir"] == str(Path("photos").resolve())
    assert capsys.readouterr().out.startswith("class       train  validation        test\ncat")


def test_a_finished_network_is_replaced_only_when_asked_to(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    before = Path("runs/photos/baseline.keras").read_bytes()
    assert start("--seed", "2") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert Path("runs/photos/baseline.keras").read_bytes() == before
    assert start("--seed", "2", "--overwrite") == 0
    assert Path("runs/photos/baseline.keras").read_bytes() != before


def test_figures_of_converted_files_go_with_their_network(start: Start) -> None:
    assert start() == 0
    known = metadata.read(Path("runs/photos"))
    known["conversions"] = {"int8": {"network": "baseline"}, "float16": {"network": "mobilenetv2"}}
    metadata.write(Path("runs/photos"), known)
    assert start("--overwrite") == 0
    assert metadata.read(Path("runs/photos"))["conversions"] == {"float16": {"network": "mobilenetv2"}}


def test_an_interrupted_run_is_not_lost_and_not_mixed_with_another(
    start: Start, interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = interrupted.read_bytes()
    assert start() == 2
    assert "--resume" in capsys.readouterr().err
    assert start("--resume", "--seed", "9") == 2
    assert "--resume needs the same flags" in capsys.readouterr().err
    assert interrupted.read_bytes() == before
    assert start("--resume") == 0
    assert json.loads(interrupted.read_text())["finished"]


def test_a_run_is_resumed_on_the_same_photos_only(
    start: Start, interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next(Path("photos/cat").iterdir()).unlink()
    assert start("--resume") == 2
    assert "photos" in capsys.readouterr().err


@pytest.mark.parametrize("mistake", [["--weights", "none.h5", "--model", "mobilenetv2"], ["--data-dir", "nowhere"]])
def test_a_mistyped_flag_deletes_nothing(
    start: Start, interrupted: Path, mistake: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = interrupted.read_bytes()
    assert start("--overwrite", *mistake) == 2
    assert mistake[1] in capsys.readouterr().err
    assert interrupted.read_bytes() == before


def test_weights_are_looked_for_before_photos_are_decoded(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--model", "mobilenetv2", "--weights", "none.h5") == 2
    assert "none.h5" in capsys.readouterr().err
    assert not Path(".cache").exists()


def test_a_folder_holds_networks_of_one_data_set(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start() == 0
    make_photos(Path("others"), 21)
    assert start("--data-dir", "others", "--output", "runs/photos", "--overwrite") == 2
    assert "trained on other photos" in capsys.readouterr().err


def test_ctrl_c_says_how_to_continue(start: Start, root: Path) -> None:
    flags = [
        "--data-dir",
        "photos",
        "--model",
        "baseline",
        "--img-size",
        "32",
        "--epochs",
        "1000",
        "--patience",
        "1000",
    ]
    command = [sys.executable, "-m", "train", *flags]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as done:
        while not Path("runs/photos/state/baseline/progress.json").is_file():
            assert done.poll() is None
            time.sleep(0.1)
        done.send_signal(signal.SIGINT)
        _, errors = done.communicate()
    assert done.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; continue with the same command and --resume"
    assert "Traceback" not in errors


def test_help_does_not_load_tensorflow(root: Path) -> None:
    program = """
import runpy, sys
sys.argv = ["train", "--help"]
try:
    runpy.run_module("train", run_name="__main__")
except SystemExit as done:
    assert done.code == 0
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert "usage: python -m train" in done.stdout
