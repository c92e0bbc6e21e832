"""A pair of photos differs in nothing but its color space."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.robustness import display_p3
from serve.model.preprocess import decode
from tests.serve.model.pictures import difference, scene


def test_both_of_a_pair_look_the_same() -> None:
    srgb, p3 = display_p3.pair(scene((200, 150)), display_p3.display_p3())
    assert srgb != p3
    assert difference(decode(srgb, 64, 64), decode(p3, 64, 64)) < 2


def test_without_its_profile_the_picture_is_another_one() -> None:
    profile = display_p3.display_p3()
    red = Image.new("RGB", (64, 64), (200, 40, 40))
    srgb, p3 = display_p3.pair(red, profile)
    bare = p3.replace(b"iCCP", b"prVt")
    assert difference(decode(srgb, 8, 8), decode(p3, 8, 8)) < 2
    assert difference(decode(srgb, 8, 8), decode(bare, 8, 8)) > 5


def test_answers_are_counted(tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "one.jpg").write_bytes((root / "examples" / f"{label}.jpg").read_bytes())
    assert display_p3.main(["--photos", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "2 photos, right in sRGB 2, in Display P3 2" in printed
    assert "answers changed: 0" in printed
