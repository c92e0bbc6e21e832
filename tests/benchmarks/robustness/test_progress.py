"""A line once a minute, and no more."""

import pytest

from benchmarks.robustness.progress import Progress


def test_a_line_when_it_is_time(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(every_s=0)
    progress.tick("3 files")
    assert capsys.readouterr().err == "0 min: 3 files\n"


def test_no_line_before(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.tick("3 files")
    assert not capsys.readouterr().err
