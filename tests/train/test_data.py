import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from serve.model import preprocess
from train import data

Folder = Callable[[int], Path]


@pytest.fixture
def photos(photo_folder: Folder, tmp_path: Path) -> data.Photos:
    return data.load(data.Source(photo_folder(50)), 32, tmp_path / "cache")["train"]


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
        np.testing.assert_array_equal(image, preprocess.decode((folder / name).read_bytes(), 32, 32))


def test_a_folder_with_a_train_folder_inside_is_taken_too(photo_folder: Folder, tmp_path: Path) -> None:
    folder = photo_folder(40)
    (tmp_path / "split").mkdir()
    folder.rename(tmp_path / "split" / "train")
    assert data.Source(tmp_path / "split").total == 80


def test_the_cache_is_used_and_notices_changed_photos(photo_folder: Folder, tmp_path: Path) -> None:
    folder, cache = photo_folder(40), tmp_path / "cache"
    data.load(data.Source(folder), 32, cache)
    data.load(data.Source(folder), 32, cache)
    assert len(list(cache.iterdir())) == 3  # one for each split
    os.utime(folder / "cat" / "000.jpg", ns=(1, 1))
    data.load(data.Source(folder), 32, cache)
    assert len(list(cache.iterdir())) == 6


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


def test_training_batches_hold_every_photo_once_an_epoch(photos: data.Photos) -> None:
    numbered = data.Photos(photos.images, np.arange(len(photos)), photos.names, {})
    batches = data.training_batches(numbered, 7, 32, seed=1, first_epoch=0, epochs=2)
    labels = np.concatenate([labels.numpy().ravel() for _, labels in batches])
    assert sorted(labels[: len(photos)]) == sorted(labels[len(photos) :]) == list(range(len(photos)))
    assert labels[: len(photos)].tolist() != labels[len(photos) :].tolist()


def test_photo_and_label_stay_together(photos: data.Photos) -> None:
    for images, labels in data.training_batches(photos, 8, 32, seed=1, first_epoch=0, epochs=1):
        blue = tf.reduce_mean(images[..., 2] - images[..., 0], axis=(1, 2))
        colorful = tf.abs(blue) > 10  # some have lost their color
        np.testing.assert_array_equal(blue[colorful] > 0, labels[:, 0][colorful] == 1)


def test_an_epoch_is_the_same_whether_or_not_those_before_were_seen(photos: data.Photos) -> None:
    whole = list(data.training_batches(photos, 8, 32, seed=1, first_epoch=0, epochs=2))
    steps = data.steps_per_epoch(photos, 8)
    rest = list(data.training_batches(photos, 8, 32, seed=1, first_epoch=1, epochs=2))
    assert len(rest) == steps
    for (images, labels), (again, labels_again) in zip(whole[steps:], rest, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, labels_again)


def test_backgrounds_come_at_the_end_of_each_batch_one_for_each_eight_photos(photos: data.Photos) -> None:
    black = np.zeros((3, *photos.images.shape[1:]), np.uint8)
    batches = list(data.training_batches(photos, 16, 32, seed=1, first_epoch=0, epochs=2, backgrounds=black))
    steps = data.steps_per_epoch(photos, 16)
    assert len(batches) == 2 * steps
    assert sum(len(labels) for _, labels in batches) == 2 * len(photos) + 2 * len(batches)
    for images, labels in batches:
        is_black = np.median(images, axis=(1, 2, 3)) < 25  # a crop may have gray around, and lower contrast
        assert is_black.tolist() == [False] * (len(labels) - 2) + [True] * 2
        assert (labels[:, 0] == data.BACKGROUND).numpy().tolist() == is_black.tolist()
    rest = data.training_batches(photos, 16, 32, seed=1, first_epoch=1, epochs=2, backgrounds=black)
    for (images, _), (again, _) in zip(batches[steps:], rest, strict=True):
        np.testing.assert_array_equal(images, again)


def test_backgrounds_are_drawn_at_random(photos: data.Photos) -> None:
    shades = np.broadcast_to(np.arange(0, 250, 5, dtype=np.uint8)[:, None, None, None], (50, *photos.images.shape[1:]))
    batches = data.training_batches(photos, 16, 32, seed=1, first_epoch=0, epochs=1, backgrounds=shades)
    drawn = {round(float(shade)) for images, _ in batches for shade in np.median(images[-2:], axis=(1, 2, 3))}
    assert len(drawn) > len(list(batches))


def test_another_seed_gives_other_batches(photos: data.Photos) -> None:
    first = [next(iter(data.training_batches(photos, 8, 32, seed=seed, first_epoch=0, epochs=1)))[0] for seed in (1, 2)]
    assert np.abs(first[0] - first[1]).mean() > 1


def test_augmentation_keeps_shape_and_range_and_changes_each_photo_otherwise() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 32, dtype=np.float32)[None, :, None], (32, 32, 3))
    images = tf.constant(np.stack([ramp] * 16))
    changed = data.augment(images, 24, tf.constant([1, 2], tf.int64)).numpy()
    assert changed.shape == (16, 24, 24, 3)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert len({row.tobytes() for row in changed}) == 16
    rising = (changed[:, :, -1].mean(axis=(1, 2)) > changed[:, :, 0].mean(axis=(1, 2))).sum()
    assert 0 < rising < 16  # some are mirrored, some are not


def test_the_real_data_set_is_split_as_documented(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared / "tensorflow_datasets"))
    source = data.Source()
    assert (source.name, source.labels, source.total) == ("cats_vs_dogs", ("cat", "dog"), 20_998)
    assert [len(source.bounds(split)) for split in data.SPLITS] == [16_798, 2_100, 2_100]
    some = list(source.read(range(source.total - 5, source.total)))
    assert len(some) == 5
    assert all(preprocess.decode(photo.data, 32, 32).shape == (32, 32, 3) for photo in some)


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
