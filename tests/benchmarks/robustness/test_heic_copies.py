"""Photos and their HEIC copies are counted."""

from pathlib import Path

import pytest

from benchmarks.robustness import heic_copies


def test_answers_are_counted(tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "one.jpg").write_bytes((root / "examples" / f"{label}.jpg").read_bytes())
    (tmp_path / "dog" / "no_dog.jpg").write_bytes((root / "examples" / "cat.jpg").read_bytes())
    assert heic_copies.main(["--photos", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "3 photos, right as PNG 2, as HEIC 2" in printed
    assert "answers changed: 0" in printed
    assert "0.0000 (most)" not in printed
