"""A run writes to its own folder, says what it was trained on, and replaces nothing that it was not told to."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import make_photos
from tests.train.test_resume import Interrupted, Interrupting
from train import __main__ as cli
from train import data, fit, metadata

pytestmark = pytest.mark.training


SMALL = ["--model", "baseline", "--img-size", "32", "--epochs", "1", "--batch-size", "16"]


def start(*flags: str) -> int:
    """Run the command line on `photos/` in the working directory, with the baseline for one epoch."""
    return cli.main(["--data-dir", "photos", *SMALL, *flags])


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos."""
    place = tmp_path_factory.mktemp("new")
    make_photos(place / "photos", 20)
    return place


@pytest.fixture(scope="module")
def trained(new: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a finished run."""
    place = tmp_path_factory.mktemp("trained") / "place"
    shutil.copytree(new, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert start() == 0
    return place


@pytest.fixture(scope="module")
def stopped(new: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a run that was interrupted after its first epoch."""
    place = tmp_path_factory.mktemp("stopped") / "place"
    shutil.copytree(new, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(fit, "_Epochs", Interrupting)
        with pytest.raises(Interrupted):
            start()
    return place


@pytest.fixture
def photos(new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of `new`."""
    shutil.copytree(new, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")


@pytest.fixture
def finished(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a copy of `trained`."""
    shutil.copytree(trained, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")


@pytest.fixture
def interrupted(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of `stopped`; the file with the state of the run."""
    shutil.copytree(stopped, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return Path("runs/photos/state/baseline/progress.json")


def test_everything_goes_to_the_folder_of_the_run(finished: None, trained: Path) -> None:
    assert {path.name for path in Path().iterdir()} == {"photos", "runs", ".cache"}
    assert {path.name for path in Path("runs/photos").iterdir()} == {
        "baseline.keras", "history", "metadata.json", "state"
    }  # fmt: skip
    known = metadata.read(Path("runs/photos"))
    assert known["data"]["labels"] == ["cat", "dog"]
    assert known["data"]["identity"] == data.open_data_set(Path("photos")).identity()
    assert known["data_dir"] == str(trained / "photos")


def test_a_finished_network_is_replaced_with_its_figures_and_only_when_asked_to(
    finished: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("runs/photos")
    before, known = (folder / "baseline.keras").read_bytes(), metadata.read(folder)
    known["models"]["other"] = {"file": "baseline.keras"}
    known["conversions"] = {
        "int8": {"network": "baseline"}, "float16": {"network": "mobilenetv2"}, "none": {"network": "other"}
    }  # fmt: skip
    metadata.write(folder, known)
    assert start("--seed", "2") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "baseline.keras").read_bytes() == before
    assert start("--seed", "2", "--overwrite") == 0
    assert (folder / "baseline.keras").read_bytes() != before
    assert list(metadata.read(folder)["models"]) == ["baseline"]
    assert metadata.read(folder)["conversions"] == {"float16": {"network": "mobilenetv2"}}
    assert capsys.readouterr().out.startswith("class       train  validation        test\ncat")


def test_an_interrupted_run_is_not_lost_and_not_mixed_with_another(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = interrupted.read_bytes()
    assert start() == 2
    assert "--resume" in capsys.readouterr().err
    assert start("--resume", "--seed", "9") == 2
    assert "--resume needs the same flags" in capsys.readouterr().err
    assert interrupted.read_bytes() == before
    assert start("--resume") == 0
    assert json.loads(interrupted.read_text())["finished"]


def test_a_run_is_resumed_on_the_same_photos_only(interrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(Path("photos/cat").iterdir()).unlink()
    assert start("--resume") == 2
    assert "photos" in capsys.readouterr().err


@pytest.mark.parametrize("mistake", [["--weights", "none.h5", "--model", "mobilenetv2"], ["--data-dir", "nowhere"]])
def test_a_mistyped_flag_deletes_nothing(
    interrupted: Path, mistake: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = interrupted.read_bytes()
    assert start("--overwrite", *mistake) == 2
    assert mistake[1] in capsys.readouterr().err
    assert interrupted.read_bytes() == before


def test_a_class_with_too_few_photos_is_named_before_photos_are_decoded(
    photos: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in sorted(Path("photos/dog").iterdir())[9:]:
        file.unlink()
    assert start() == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: photos: too few photos of dog (9); each class needs 10 photos at least")
    assert printed.out.startswith("class")
    assert not Path(".cache").exists()


def test_weights_are_looked_for_before_photos_are_decoded(photos: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert start("--model", "mobilenetv2", "--weights", "none.h5") == 2
    assert "none.h5" in capsys.readouterr().err
    assert not Path(".cache").exists()


def test_a_folder_holds_networks_of_one_data_set(finished: None, capsys: pytest.CaptureFixture[str]) -> None:
    make_photos(Path("others"), 21)
    assert start("--data-dir", "others", "--output", "runs/photos", "--overwrite") == 2
    assert "trained on other photos" in capsys.readouterr().err


def test_a_renamed_folder_holds_the_same_data_set(finished: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos").rename("renamed")
    assert metadata.data_set_of(metadata.read(Path("runs/photos")), Path("renamed")).name == "renamed"
    assert start("--data-dir", "renamed", "--output", "runs/photos") == 2
    assert "baseline.keras: exists; replace it with --overwrite" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_an_error_in_one_line(
    photos: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_bytes(b"")
    assert start("--output", "file/run") == 2
    assert capsys.readouterr().err.endswith("error: file/run/state/baseline: Not a directory\n")


def test_damaged_metadata_is_an_error_that_says_what_to_do(finished: None, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/photos/metadata.json").write_text('{"data":')
    assert start("--overwrite") == 2
    assert "runs/photos/metadata.json: is damaged" in capsys.readouterr().err


def test_ctrl_c_says_how_to_continue(photos: None, root: Path) -> None:
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


def test_a_finished_run_has_nothing_to_resume(finished: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A job that is started again after its end succeeds, and `make train` goes on with its second network."""
    before = Path("runs/photos/baseline.keras").read_bytes()
    assert start("--resume") == 0
    assert capsys.readouterr().out.endswith("baseline.keras: the run is finished\n")
    assert Path("runs/photos/baseline.keras").read_bytes() == before
    # Of the flags that `make train` gives to both networks, some are not for this one.
    assert start("--resume", "--weights", "backbone.h5", "--fine-tune-epochs", "2", "--label-smoothing", "0.1") == 0
    assert start("--resume", "--seed", "2") == 2
    assert "--overwrite" in capsys.readouterr().err


def in_the_place_of(network: str) -> None:
    """Let the file of the baseline be another network's, as model.keras is of the last backbone."""
    known = metadata.read(Path("runs/photos"))
    metadata.write(Path("runs/photos"), {**known, "models": {network: {"file": "baseline.keras"}}})
    Path("runs/photos/baseline.keras").write_bytes(b"another network")


def test_a_finished_run_whose_file_was_replaced_is_not_finished(
    finished: None, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_place_of("mobilenetv2")
    assert start("--resume") == 2
    assert "baseline.keras: exists; replace it with --overwrite" in capsys.readouterr().err


def test_an_interrupted_run_replaces_no_other_network(interrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metadata.write(Path("runs/photos"), {"data": {"identity": data.open_data_set(Path("photos")).identity()}})
    in_the_place_of("mobilenetv2")
    assert start("--resume") == 2
    assert "baseline.keras: is mobilenetv2 by now; replace it with --overwrite" in capsys.readouterr().err
    state = json.loads(interrupted.read_text())
    interrupted.write_text(json.dumps(state | {"replaces": "mobilenetv2"}))  # it was there before, and may go
    assert start("--resume") == 0


def test_a_damaged_state_is_an_error_and_can_be_overwritten(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [interrupted.with_name(name) for name in ("progress.json", "last.keras", "arguments.json")]
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        assert start("--resume") == 2
        assert ("--overwrite" if file.name != "arguments.json" else "they differ") in capsys.readouterr().err
        file.write_bytes(whole)
    for file in files:
        file.write_bytes(b"{")
    assert start("--overwrite") == 0
