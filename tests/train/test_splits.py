import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL
import pytest
from PIL import Image

from serve.model import preprocess
from tests.serve.model.pictures import panorama
from train import data, duplicates, splits
from train.pixels import decode

Folder = Callable[[int], Path]


def test_splits_are_80_10_10_without_overlap_and_the_same_on_every_run(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(50)
    runs = [splits.load(data.open_data_set(folder), 32, tmp_path / name) for name in ("one", "two")]
    assert {split: len(photos) for split, photos in runs[0].items()} == {"train": 80, "validation": 10, "test": 10}
    names = [photo.name for photos in runs[0].values() for photo in photos.stored]
    assert len(set(names)) == 100
    for split in data.SPLITS:
        assert runs[0][split] == runs[1][split]


def test_labels_come_from_folder_names(photo_folder: Folder, tmp_path: Path) -> None:
    data_set = data.open_data_set(photo_folder(40))
    assert data_set.labels == ("cat", "dog")
    for photos in splits.load(data_set, 32, tmp_path / "cache").values():
        assert len(photos)
        for photo, label in zip(photos.stored, photos.labels, strict=True):
            assert photo.name.split("/")[0] == data_set.labels[label]


def test_pixels_are_those_that_serving_sees(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(40)
    photos = splits.load(data.open_data_set(folder), 32, tmp_path / "cache")
    for part, with_margin in ((photos["test"], False), (photos["train"], True)):
        pixels = np.concatenate(list(part.decoded(3)))
        assert pixels.shape == (len(part), part.side, part.side, 3)
        for photo, image in zip(part.stored, pixels, strict=True):
            served = decode((folder / photo.name).read_bytes(), 32, 32, with_margin=with_margin)
            np.testing.assert_array_equal(image, served)
    np.testing.assert_array_equal(
        photos["train"].pixels([5, 2]), np.concatenate(list(photos["train"].decoded(99)))[[5, 2]]
    )


def cached(folder: Path, cache_dir: Path) -> int:
    """The number of manifests in the cache after all splits were loaded."""
    splits.load(data.open_data_set(folder), 32, cache_dir)
    return len(list(cache_dir.iterdir()))


def test_the_manifest_is_used_and_notices_changed_photos(photo_folder: Folder, tmp_path: Path) -> None:
    folder, cache_dir = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache_dir) == cached(folder, cache_dir) == 1
    os.utime(folder / "cat" / "000.jpg", ns=(1, 1))
    assert cached(folder, cache_dir) == 1  # the content is the same
    shutil.copy(folder / "cat" / "001.jpg", folder / "cat" / "000.jpg")
    assert cached(folder, cache_dir) == 2


def reworded(module: ModuleType, folder: Path) -> ModuleType:
    """The same module from a file whose text differs in a comment."""
    assert module.__file__
    source = Path(module.__file__)
    copy = folder / source.name
    copy.write_text(f"{source.read_text()}\n# The same in other words.\n")
    spec = importlib.util.spec_from_file_location(module.__name__, copy)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("name", ["preprocess", "duplicates"])
def test_a_reworded_comment_checks_nothing_again(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder, cache_dir = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache_dir) == 1
    with monkeypatch.context() as patch:
        patch.setattr(splits, name, reworded(getattr(splits, name), tmp_path))
        patch.setattr(splits, "_write", None)
        assert cached(folder, cache_dir) == 1


def test_a_photo_that_can_only_be_decoded_smaller_is_left_out(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(40)
    (folder / "cat" / "wide.jpg").write_bytes(panorama())
    data_set = data.open_data_set(folder)
    found = {size: splits.load(data_set, size, tmp_path / "cache") for size in (32, 160)}
    assert {size: sum(map(len, parts.values())) for size, parts in found.items()} == {32: 81, 160: 80}
    (why,) = (why for part in found[160].values() for why in part.skipped.values())
    assert "the limit for its kind" in why


@pytest.mark.parametrize(
    ("module", "version"),
    [(PIL, "__version__"), (preprocess, "PREPROCESSING_VERSION"), (duplicates, "VERSION")],
)
def test_an_upgraded_pillow_and_a_raised_version_check_again(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, version: str
) -> None:
    folder, cache_dir = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache_dir) == 1
    monkeypatch.setattr(module, version, "99")
    assert cached(folder, cache_dir) == 2


def test_a_moved_folder_is_not_checked_again(photo_folder: Folder, tmp_path: Path) -> None:
    folder, cache_dir = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache_dir) == 1
    (tmp_path / "elsewhere").mkdir()
    assert cached(folder.rename(tmp_path / "elsewhere" / folder.name), cache_dir) == 1


def test_broken_files_are_skipped_counted_and_named(
    photo_folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo_folder(40)
    whole = (folder / "cat" / "003.jpg").read_bytes()
    (folder / "cat" / "003.jpg").write_bytes(whole[: len(whole) // 2])
    whole = (folder / "dog" / "004.jpg").read_bytes()
    (folder / "dog" / "004.jpg").write_bytes(whole[: len(whole) // 2])
    photos = splits.load(data.open_data_set(folder), 32, tmp_path / "cache")
    assert sum(map(len, photos.values())) == 78
    assert {name for part in photos.values() for name in part.skipped} == {"cat/003.jpg", "dog/004.jpg"}
    printed = capsys.readouterr().out
    for split, part in photos.items():
        for name in part.skipped:
            assert f"skipped {name}: " in printed
            assert f"skipped {len(part.skipped)} of {len(part) + len(part.skipped)} files of the {split}" in printed


def test_a_split_without_a_photo_of_a_class_that_decodes_is_an_error(photo_folder: Folder, tmp_path: Path) -> None:
    for split, number in (("train", 10), ("test", 1)):
        photo_folder(number).rename(tmp_path / split)
    whole = (tmp_path / "test" / "cat" / "000.jpg").read_bytes()
    (tmp_path / "test" / "cat" / "000.jpg").write_bytes(whole[:700])
    why = r"the test split has no photo of cat that can be used \(left out: 1, the first as: .+\); each class needs"
    for _ in range(2):  # the second time, the reason is that of the manifest
        with pytest.raises(data.DataError, match=why):
            splits.load_split(data.open_data_set(tmp_path), "test", 32, tmp_path / "cache")


def test_near_duplicates_never_cross_splits(
    photo_folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "split"
    folder.mkdir()
    photo_folder(40).rename(folder / "train")
    for split, photo in (("validation", "001.jpg"), ("test", "002.jpg")):
        for label in ("cat", "dog"):
            (folder / split / label).mkdir(parents=True)
            (folder / "train" / label / photo).rename(folder / split / label / "photo.jpg")
    copies = {
        "train/cat/copy.jpg": "validation/cat/photo.jpg",
        "train/dog/copy.jpg": "test/dog/photo.jpg",
        "validation/dog/copy.jpg": "test/dog/photo.jpg",
        "train/cat/twice.jpg": "test/cat/photo.jpg",
        "validation/cat/twice.jpg": "test/cat/photo.jpg",
    }
    for copy, original in copies.items():
        with Image.open(folder / original) as picture:
            picture.resize((picture.width * 2, picture.height * 2)).save(folder / copy, quality=60)
    photos = splits.load(data.open_data_set(folder), 32, tmp_path)
    assert {split: len(part) for split, part in photos.items()} == {"train": 76, "validation": 2, "test": 2}
    skipped = photos["train"].skipped | photos["validation"].skipped
    assert skipped.keys() == copies.keys()
    assert not photos["test"].skipped
    for copy, original in copies.items():
        assert original in skipped[copy]
    printed = capsys.readouterr().out
    assert "skipped 3 of 79 files of the train split" in printed
    assert "skipped 2 of 4 files of the validation split" in printed
