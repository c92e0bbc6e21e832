"""Photos into folders: by label, and nothing is ever overwritten."""

from pathlib import Path

import pytest

from local.photos import Answered, Item
from local.sorting import Sorter, SortingError
from serve.errors import UndecodableImageError
from serve.model.classifier import Prediction
from serve.upload import Photo


def answered(path: Path | None, label: str = "cat", *, uncertain: bool = False) -> Answered:
    item = Item(str(path), lambda _max_bytes: Photo(url="unused"), path)
    return Answered(item, Prediction(label, 0.1, uncertain, "version", 0.0, 0.0))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"a photo")
    return path


def test_a_copy_leaves_the_photo_and_a_move_takes_it(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert Sorter(out, "copy").sort(answered(photo)) == out / "cat" / "a.jpg"
    assert photo.exists()
    assert Sorter(out, "move").sort(answered(photo, "dog")) == out / "dog" / "a.jpg"
    assert not photo.exists()
    assert {file.read_bytes() for file in out.rglob("*.jpg")} == {b"a photo"}


def test_an_uncertain_photo_has_a_folder_of_its_own(photo: Path, tmp_path: Path) -> None:
    placed = Sorter(tmp_path / "out", "copy").sort(answered(photo, uncertain=True))
    assert placed == tmp_path / "out" / "uncertain" / "a.jpg"


@pytest.mark.parametrize("action", ["copy", "move"])
def test_another_photo_of_the_same_name_is_not_overwritten(photo: Path, tmp_path: Path, action: str) -> None:
    there = tmp_path / "out" / "cat" / "a.jpg"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"another photo")
    sorter = Sorter(tmp_path / "out", "copy" if action == "copy" else "move")
    assert sorter.sort(answered(photo)) == there.with_name("a-2.jpg")
    assert there.read_bytes() == b"another photo"
    assert there.with_name("a-2.jpg").read_bytes() == b"a photo"


def test_the_same_photo_is_not_written_twice(photo: Path, tmp_path: Path) -> None:
    sorter = Sorter(tmp_path / "out", "copy")
    assert sorter.sort(answered(photo)) == sorter.sort(answered(photo)) == tmp_path / "out" / "cat" / "a.jpg"
    assert len(list((tmp_path / "out").rglob("*.jpg"))) == 1


def test_a_photo_that_is_in_its_folder_already_stays(tmp_path: Path) -> None:
    photo = tmp_path / "out" / "cat" / "a.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"a photo")
    assert Sorter(tmp_path / "out", "move").sort(answered(photo)) == photo
    assert photo.read_bytes() == b"a photo"


@pytest.mark.parametrize("action", ["copy", "move"])
def test_a_dry_run_changes_nothing(photo: Path, tmp_path: Path, action: str) -> None:
    sorter = Sorter(tmp_path / "out", "copy" if action == "copy" else "move", dry_run=True)
    assert sorter.sort(answered(photo)) == tmp_path / "out" / "cat" / "a.jpg"
    assert photo.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("label", ["..", "../cat", "/cat", "a/b", "a\\b", ""])
def test_a_label_cannot_lead_out_of_the_folder(photo: Path, tmp_path: Path, label: str) -> None:
    with pytest.raises(SortingError, match="cannot name a folder"):
        Sorter(tmp_path / "out", "move").sort(answered(photo, label))
    assert photo.exists()


def test_a_place_that_cannot_be_written_is_named(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SortingError, match=r"a\.jpg: cannot move"):
        Sorter(tmp_path / "out", "move").sort(answered(photo))
    assert photo.exists()


def test_what_has_no_label_or_no_file_goes_nowhere(photo: Path, tmp_path: Path) -> None:
    sorter = Sorter(tmp_path / "out", "move")
    assert sorter.sort(answered(None)) is None
    assert sorter.sort(Answered(answered(photo).item, UndecodableImageError("broken"))) is None
    assert not (tmp_path / "out").exists()
