import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import convert.__main__
import evaluate.__main__
import train.__main__
from train import tensorflow_options

OPTION = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize(
    ("program", "flags"),
    [
        (train.__main__.main, ["--data-dir"]),
        (convert.__main__.main, ["--model"]),
        (evaluate.__main__.main, ["check", "--model"]),
    ],
    ids=["train", "convert", "evaluate"],
)
def test_every_program_sets_the_options(
    program: Callable[[list[str]], int], flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(OPTION, raising=False)
    assert program([*flags, str(tmp_path / "missing")]) == 2
    assert os.environ[OPTION] == "1"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTION, "0")
    tensorflow_options.set_defaults()
    assert os.environ[OPTION] == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="of TensorFlow's packages, those for Linux have oneDNN")
def test_tensorflow_takes_the_kernels_of_onednn(root: Path) -> None:
    program = "from train import tensorflow_options; tensorflow_options.set_defaults(); import tensorflow"
    environment = {name: value for name, value in os.environ.items() if name != OPTION} | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert "oneDNN custom operations are on" in done.stderr
