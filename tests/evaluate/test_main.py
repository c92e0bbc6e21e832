import subprocess
import sys
from pathlib import Path

import pytest

from evaluate import __main__ as cli


@pytest.mark.parametrize("flags", [[], ["check"], ["report"]])
def test_help_does_not_load_tensorflow(root: Path, flags: list[str]) -> None:
    program = f"""
import runpy, sys
sys.argv = ["evaluate", *{flags}, "--help"]
try:
    runpy.run_module("evaluate", run_name="__main__")
except SystemExit as done:
    assert done.code == 0
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert "usage: python -m evaluate" in done.stdout


@pytest.mark.parametrize("command", ["check --model", "report --models", "publish"])
def test_a_folder_of_photos_is_evaluated_without_tensorflow(root: Path, tmp_path: Path, command: str) -> None:
    program = f"""
import sys
from evaluate import __main__ as cli
assert cli.main([*{command.split()}, "{tmp_path / "none"}"]) == 2
from evaluate import check, publish, report
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert str(tmp_path) in done.stderr


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
    assert "usage: python -m evaluate" in capsys.readouterr().err
