from pathlib import Path

import pytest
from PIL import Image

from evaluate import uncertainty


def test_what_packages_carry_can_be_opened_and_the_cat_is_not_among_it() -> None:
    found = uncertainty.in_packages()
    assert len(found) >= 20
    assert "chelsea.png" not in {file.name for file in found}
    for file in found:
        with Image.open(file) as image:
            assert min(image.size) >= 100


def test_a_folder_is_searched_with_the_folders_in_it(tmp_path: Path) -> None:
    (tmp_path / "sea").mkdir()
    for name in ("sea/wave.JPG", "tree.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [file.name for file in uncertainty.in_folder(tmp_path)] == ["wave.JPG", "tree.png"]


def test_an_empty_folder_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--out-of-distribution takes a folder"):
        uncertainty.in_folder(tmp_path)
