import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow.python.util import _pywrap_util_port

import convert.__main__
import evaluate.__main__
import train.__main__
from train import programs

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


def test_a_message_is_one_line_and_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "none").read_bytes()
    assert programs.message(caught.value) == f"{tmp_path / 'none'}: No such file or directory"
    assert programs.message(ValueError("two\n  lines")) == "two lines"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTION, "0")
    programs.prepare_tensorflow()
    assert os.environ[OPTION] == "0"


@pytest.mark.skipif(sys.platform != "linux", reason="of TensorFlow's packages, those for Linux have oneDNN")
def test_tensorflow_takes_the_kernels_of_onednn() -> None:
    assert os.environ[OPTION] == "1"  # by tests/conftest.py, before anything imports TensorFlow
    assert _pywrap_util_port.IsMklEnabled()


def test_keras_imports_no_package_that_nobody_uses_through_it(root: Path) -> None:
    program = """
import sys
from train import programs
programs.prepare_tensorflow()
import keras
assert {"matplotlib", "sklearn"}.isdisjoint(sys.modules)
import matplotlib, sklearn
"""
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True)
