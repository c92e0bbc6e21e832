"""Photos into folders: by label, and nothing is ever overwritten."""

import os
import shutil
from pathlib import Path
from typing import BinaryIO

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


def test_a_link_is_moved_as_the_photo_that_it_leads_to(photo: Path, tmp_path: Path) -> None:
    link = tmp_path / "in" / "link.jpg"
    link.symlink_to("a.jpg")
    placed = Sorter(tmp_path / "out", "move").sort(answered(link))
    assert placed is not None
    assert (placed.is_symlink(), placed.read_bytes()) == (False, b"a photo")
    assert (link.exists(), photo.exists()) == (False, True)


def test_of_two_hard_links_none_stays(photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "a.jpg"
    other.parent.mkdir()
    other.hardlink_to(photo)
    sorter = Sorter(tmp_path / "out", "move")
    assert sorter.sort(answered(photo)) == sorter.sort(answered(other)) == tmp_path / "out" / "cat" / "a.jpg"
    assert not photo.exists()
    assert not other.exists()
    assert (tmp_path / "out" / "cat" / "a.jpg").read_bytes() == b"a photo"


def test_a_photo_that_cannot_be_taken_away_is_nowhere_else(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refusing(path: Path, *, missing_ok: bool = False) -> None:
        if path == photo:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    with pytest.raises(SortingError, match="Permission denied"):
        Sorter(tmp_path / "out", "move").sort(answered(photo))
    assert photo.exists()
    assert list((tmp_path / "out").rglob("*.jpg")) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_no_part_of_a_photo_stays(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def full(source: BinaryIO, copy: BinaryIO) -> None:
        copy.write(source.read(3))
        raise error

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises((SortingError, KeyboardInterrupt)):
        Sorter(tmp_path / "out", "copy").sort(answered(photo))
    assert list((tmp_path / "out").rglob("*.jpg")) == []
    assert photo.exists()


def test_a_dry_run_names_the_places_of_the_run(photo: Path, tmp_path: Path) -> None:
    more = [tmp_path / name / "a.jpg" for name in ("b", "c")]
    for path, content in zip(more, (b"another photo", b"a photo"), strict=True):
        path.parent.mkdir()
        path.write_bytes(content)
    dry, real = Sorter(tmp_path / "out", "copy", dry_run=True), Sorter(tmp_path / "out", "copy")
    promised = [dry.sort(answered(path)) for path in (photo, *more)]
    assert not (tmp_path / "out").exists()
    assert promised == [real.sort(answered(path)) for path in (photo, *more)]
    assert [path.name for path in promised if path] == ["a.jpg", "a-2.jpg", "a.jpg"]


def test_a_pipe_is_sorted_nowhere(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert Sorter(tmp_path / "out", "copy").sort(answered(tmp_path / "pipe.jpg")) is None
