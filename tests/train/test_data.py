import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL
import pytest
from PIL import Image

from serve.model import preprocess
from train import data, duplicates
from train.pixels import decode

Folder = Callable[[int], Path]


def test_splits_are_80_10_10_without_overlap_and_the_same_on_every_run(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(50)
    runs = [data.load(data.Source(folder), 32, tmp_path / cache) for cache in ("one", "two")]
    assert {split: len(photos) for split, photos in runs[0].items()} == {"train": 80, "validation": 10, "test": 10}
    names = [name for photos in runs[0].values() for name in photos.names]
    assert len(set(names)) == 100
    for split in data.SPLITS:
        assert runs[0][split].names == runs[1][split].names
        np.testing.assert_array_equal(runs[0][split].images, runs[1][split].images)


def test_labels_come_from_folder_names(photo_folder: Folder, tmp_path: Path) -> None:
    source = data.Source(photo_folder(40))
    assert source.labels == ("cat", "dog")
    for photos in data.load(source, 32, tmp_path / "cache").values():
        assert len(photos)
        for name, label in zip(photos.names, photos.labels, strict=True):
            assert name.split("/")[0] == source.labels[label]


def test_pixels_are_those_that_serving_sees(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(40)
    photos = data.load(data.Source(folder), 32, tmp_path / "cache")["test"]
    for name, image in zip(photos.names, photos.images, strict=True):
        np.testing.assert_array_equal(image, decode((folder / name).read_bytes(), 32, 32))


def test_a_folder_with_a_train_folder_inside_is_taken_too(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(40)
    (tmp_path / "split").mkdir()
    folder.rename(tmp_path / "split" / "train")
    assert data.Source(tmp_path / "split").total == 80


def cached(folder: Path, cache: Path) -> int:
    """The number of decoded splits in the cache after all splits were loaded."""
    data.load(data.Source(folder), 32, cache)
    return len(list(cache.iterdir()))


def test_the_cache_is_used_and_notices_changed_photos(photo_folder: Folder, tmp_path: Path) -> None:
    folder, cache = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache) == cached(folder, cache) == 3
    os.utime(folder / "cat" / "000.jpg", ns=(1, 1))
    assert cached(folder, cache) == 6


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
def test_a_reworded_comment_decodes_nothing_again(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder, cache = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache) == 3
    with monkeypatch.context() as patch:
        patch.setattr(data, name, reworded(getattr(data, name), tmp_path))
        patch.setattr(data, "_decode_all", None)
        assert cached(folder, cache) == 3


@pytest.mark.parametrize(
    ("module", "version"),
    [(PIL, "__version__"), (preprocess, "PREPROCESSING_VERSION"), (duplicates, "VERSION")],
)
def test_an_upgraded_pillow_and_a_raised_version_decode_again(
    photo_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, version: str
) -> None:
    folder, cache = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache) == 3
    monkeypatch.setattr(module, version, "99")
    assert cached(folder, cache) == 6


def test_a_moved_folder_decodes_nothing_again(photo_folder: Folder, tmp_path: Path) -> None:
    folder, cache = photo_folder(40), tmp_path / "cache"
    assert cached(folder, cache) == 3
    (tmp_path / "elsewhere").mkdir()
    assert cached(folder.rename(tmp_path / "elsewhere" / folder.name), cache) == 3


def test_broken_files_are_skipped_counted_and_named(
    photo_folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo_folder(40)
    whole = (folder / "cat" / "003.jpg").read_bytes()
    (folder / "cat" / "003.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "004.jpg").write_bytes(b"not an image")
    photos = data.load(data.Source(folder), 32, tmp_path / "cache")
    assert sum(map(len, photos.values())) == 78
    assert {name for part in photos.values() for name in part.skipped} == {"cat/003.jpg", "dog/004.jpg"}
    printed = capsys.readouterr().out
    assert "cat/003.jpg" in printed
    assert "skipped 1 of 64 files of the train split" in printed
    assert "skipped 1 of 8 files of the test split" in printed


@pytest.mark.parametrize("labels", [(), ("cat",), ("cat", "dog", "horse")])
def test_other_than_two_classes_is_an_error_that_says_so(tmp_path: Path, labels: tuple[str, ...]) -> None:
    for label in labels:
        (tmp_path / label).mkdir()
        (tmp_path / label / "photo.jpg").write_bytes(b"")
    with pytest.raises(data.DataError, match="two class folders"):
        data.Source(tmp_path)


def test_a_missing_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="no such folder"):
        data.Source(tmp_path / "none")


def test_a_split_without_one_of_the_classes_is_an_error(photo_folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(data.DataError, match="add more"):
        data.load(data.Source(photo_folder(2)), 32, tmp_path / "cache")


def test_the_real_data_set_is_split_as_documented(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared / "tensorflow_datasets"))
    source = data.Source()
    assert (source.name, source.labels, source.total) == ("cats_vs_dogs", ("cat", "dog"), 20_998)
    assert [len(source.bounds(split)) for split in data.SPLITS] == [16_798, 2_100, 2_100]
    some = list(source.read(range(source.total - 5, source.total)))
    assert len(some) == 5
    assert all(decode(photo.data, 32, 32).shape == (32, 32, 3) for photo in some)


def test_a_picture_to_test_with_is_not_trained_on(
    photo_folder: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo_folder(40)
    names = {split: [photo.name for photo in data.Source(folder).read_split(split)] for split in data.SPLITS}
    copies = dict(zip(names["train"][:2], (names["validation"][0], names["test"][0]), strict=True))
    for copy, original in copies.items():
        with Image.open(folder / original) as picture:
            picture.resize((picture.width * 2, picture.height * 2)).save(folder / copy, quality=60)
    train = data.load_split(data.Source(folder), "train", 32, tmp_path)
    assert train.names == names["train"][2:]
    assert train.skipped.keys() == copies.keys()
    for copy, original in copies.items():
        assert original in train.skipped[copy]
    assert "skipped 2 of 64 files of the train split" in capsys.readouterr().out
