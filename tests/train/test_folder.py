"""Folders as people have them: what is taken, what is left out and why, and where each photo goes."""

import contextlib
import io
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import make_photos
from train import data, folder
from train.folder import Listing


def splits_of(listing: Listing) -> dict[str, str]:
    """The split of each photo, by its digest."""
    return {file.digest: split for split, files in listing.splits.items() for file in files}


def counts(listing: Listing) -> dict[str, int]:
    return {split: len(files) for split, files in listing.splits.items()}


def test_splits_are_stratified_and_deterministic(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 30)
    for file in sorted((photos / "dog").iterdir())[10:]:
        file.unlink()
    listing = folder.listing(photos)
    for split, expected in {"train": (24, 8), "validation": (3, 1), "test": (3, 1)}.items():
        labels = [file.label for file in listing.splits[split]]  # type: ignore[index]
        assert (labels.count("cat"), labels.count("dog")) == expected
    assert folder.listing(photos) == listing


def test_a_renamed_and_moved_photo_stays_in_its_split(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 20)
    before = splits_of(folder.listing(photos))
    for number, file in enumerate(sorted((photos / "cat").iterdir())):
        (photos / "cat" / str(number % 3)).mkdir(exist_ok=True)
        file.rename(photos / "cat" / str(number % 3) / f"{99 - number}.jpeg")
    assert splits_of(folder.listing(photos)) == before


def test_split_folders_are_kept_and_a_missing_one_is_cut_from_train(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos" / "train", 20)
    make_photos(tmp_path / "photos" / "val", 5)
    listing = folder.listing(tmp_path / "photos")
    assert counts(listing) == {"train": 36, "validation": 10, "test": 4}
    assert all(file.name.startswith("val/") for file in listing.splits["validation"])
    assert not listing.left_out
    make_photos(tmp_path / "photos" / "test", 3)
    (tmp_path / "photos" / "horse").mkdir()
    assert folder.listing(tmp_path / "photos").left_out == {"horse": "beside the folders of the splits"}
    assert counts(folder.listing(tmp_path / "photos")) == {"train": 40, "validation": 10, "test": 6}


@pytest.mark.parametrize("names", [("Training", "Testing", "valid"), ("TRAIN", "test", "Validation")])
def test_split_folders_have_the_names_that_people_give_them(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        make_photos(tmp_path / "photos" / name, 3)
    listing = folder.listing(tmp_path / "photos")
    assert counts(listing) == {"train": 6, "validation": 6, "test": 6}
    assert listing.labels == ("cat", "dog")


def test_two_folders_of_one_split_are_refused(tmp_path: Path) -> None:
    for name in ("train", "Training", "test"):
        make_photos(tmp_path / "photos" / name, 3)
    with pytest.raises(folder.FolderError, match="Training, train are all the train split; leave one of them"):
        folder.listing(tmp_path / "photos")


def test_capital_letters_do_not_change_the_order_of_labels(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    (photos / "cat").rename(photos / "apple")
    (photos / "dog").rename(photos / "Banana")
    assert folder.listing(photos).labels == ("apple", "Banana")


def test_splits_without_training_photos_are_no_classes(tmp_path: Path) -> None:
    for name in ("test", "val"):
        make_photos(tmp_path / "photos" / name, 3)
    with pytest.raises(folder.FolderError, match="has test, val, and no train/ with the training photos"):
        folder.listing(tmp_path / "photos")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_every_format_that_is_served_is_taken_whatever_its_name(tmp_path: Path, image_format: str) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, image_format)
    (photos / "cat" / "deep" / "er").mkdir(parents=True)
    (photos / "cat" / "deep" / "er" / "photo.x").write_bytes(file.getvalue())
    listing = folder.listing(photos)
    assert "cat/deep/er/photo.x" in [one.name for files in listing.splits.values() for one in files]
    assert not listing.left_out


def test_each_file_that_is_left_out_is_named_with_the_reason(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    (photos / "readme.txt").write_text("notes")
    (photos / "empty").mkdir()
    (photos / ".git").mkdir()
    (photos / "cat" / ".thumbnails").mkdir()
    (photos / "cat" / "Thumbs.db").write_bytes(b"")
    (photos / "cat" / "notes.jpg").write_text("no photo")
    (photos / "cat" / "gone.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "dog" / "again").symlink_to(photos / "dog", target_is_directory=True)
    listing = folder.listing(photos)
    assert listing.labels == ("cat", "dog")
    assert listing.left_out == {
        ".git": "hidden or of the operating system",
        "cat/.thumbnails": "hidden or of the operating system",
        "cat/Thumbs.db": "hidden or of the operating system",
        "cat/gone.jpg": "a broken link",
        "cat/notes.jpg": "not an image of a supported format",
        "dog/again": "a link to a folder that is listed already",
        "empty": "an empty folder",
        "readme.txt": "not in a class folder",
    }
    table = listing.table().splitlines()
    assert table[0].split() == ["class", "train", "validation", "test"]
    assert table[1].split() == ["cat", "1", "1", "1"]
    assert "left out: 3 (hidden or of the operating system): .git, cat/.thumbnails, cat/Thumbs.db" in table


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """As a user whom permissions stop."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nobody
    try:
        yield
    finally:
        os.seteuid(user)


def test_what_cannot_be_read_is_left_out_and_named(public: Path) -> None:
    photos = make_photos(public / "photos", 3)
    (photos / "cat" / "locked").mkdir(mode=0)
    (photos / "dog" / "000.jpg").chmod(0)
    with without_privileges():
        listing = folder.listing(photos)
    assert listing.left_out == {"cat/locked": "cannot be read", "dog/000.jpg": "cannot be read"}
    assert sum(counts(listing).values()) == 3 + 2


def test_an_unreadable_class_is_named_beside_the_error(public: Path) -> None:
    photos = make_photos(public / "photos", 3)
    (photos / "dog").chmod(0)
    with without_privileges(), pytest.raises(folder.FolderError, match=r"has \['cat'\]; .*cannot be read\): dog"):
        folder.listing(photos)


def test_an_unreadable_folder_is_an_error(public: Path) -> None:
    photos = make_photos(public / "photos", 3)
    photos.chmod(0)
    with without_privileges(), pytest.raises(folder.FolderError, match="photos: cannot be read: Permission denied"):
        folder.listing(photos)
    photos.chmod(0o755)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    os.mkfifo(photos / "cat" / "pipe.jpg")
    assert folder.listing(photos).left_out == {"cat/pipe.jpg": "not a regular file"}


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_names_that_are_not_utf_8_are_escaped(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 10)
    named, note = os.fsdecode(b"caf\xe9.jpg"), os.fsdecode(b"caf\xe9.txt")
    (photos / "cat" / "000.jpg").rename(photos / "cat" / named)
    (photos / "cat" / note).write_text("a note")
    data_set = data.FolderDataSet(photos)
    (photo,) = (photo for photo in data_set.photos if photo.name.startswith("cat/caf"))
    assert photo.name == r"cat/caf\udce9.jpg"
    assert photo.data == (photos / "cat" / named).read_bytes()
    assert rb"cat/caf\udce9.txt" in data_set.table().encode()


def test_links_to_photos_and_folders_are_followed(tmp_path: Path) -> None:
    photos, other = make_photos(tmp_path / "photos", 3), make_photos(tmp_path / "other", 4)
    shutil.rmtree(photos / "dog")
    (photos / "dog").symlink_to(other / "dog", target_is_directory=True)
    (photos / "cat" / "link.jpg").symlink_to(other / "cat" / "003.jpg")
    assert sum(counts(folder.listing(photos)).values()) == 4 + 4


def test_class_folders_that_differ_in_case_are_an_error_that_names_them(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    (photos / "cat").rename(photos / "Dog")
    with pytest.raises(folder.FolderError, match=r"\['Dog', 'dog'\] differ only in case"):
        folder.listing(photos)


def test_class_folders_that_look_the_same_are_an_error(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    (photos / "cat").rename(photos / unicodedata.normalize("NFC", "pingüin"))
    (photos / "dog").rename(photos / unicodedata.normalize("NFD", "pingüin"))
    if len(list(photos.iterdir())) == 1:
        pytest.skip("this file system holds them for one folder")
    with pytest.raises(folder.FolderError, match="or in how an accent is encoded"):
        folder.listing(photos)


@pytest.mark.parametrize("name", [b"two\nlines", b"caf\xe9"])
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_a_label_that_cannot_be_printed_is_an_error(tmp_path: Path, name: bytes) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    (photos / "cat").rename(photos / os.fsdecode(name))
    with pytest.raises(folder.FolderError, match="cannot be printed; rename it"):
        folder.listing(photos)


def test_a_class_that_is_called_train_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    (photos / "cat").rename(photos / "Train")
    with pytest.raises(folder.FolderError, match=r"Train: .*has \[\]; .*if train is itself a class, rename its folder"):
        folder.listing(photos)


def test_one_class_is_an_error(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 3)
    shutil.rmtree(photos / "dog")
    with pytest.raises(folder.FolderError, match=r"at least two class folders with photos, has \['cat'\]"):
        folder.listing(photos)
