"""Batches depend on the seed, the epoch and their place alone."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from train import batches, data, splits
from train.pixels import Pixels


@pytest.fixture
def photos(photo_folder: Callable[[int], Path], tmp_path: Path) -> splits.Photos:
    return splits.load(data.open_data_set(photo_folder(50)), 32, tmp_path / "cache")["train"]


def labeled(photos: splits.Photos, labels: Sequence[int]) -> splits.Photos:
    """The same photos with other labels."""
    pairs = zip(photos.stored, labels, strict=True)
    return dataclasses.replace(photos, stored=[dataclasses.replace(photo, label=label) for photo, label in pairs])


def assert_same(some: Sequence[Any], others: Sequence[Any]) -> None:
    for one, other in zip(some, others, strict=True):
        for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
            np.testing.assert_array_equal(a, b)


def black(photos: splits.Photos) -> Pixels:
    return np.zeros((3, photos.side, photos.side, 3), np.uint8)


def test_training_batches_hold_every_photo_once_an_epoch(photos: splits.Photos) -> None:
    numbered = labeled(photos, range(len(photos)))
    made = batches.for_training(numbered, 7, seed=1, epochs=range(2))
    labels = np.concatenate([labels.numpy().ravel() for _, labels in made])
    assert sorted(labels[: len(photos)]) == sorted(labels[len(photos) :]) == list(range(len(photos)))
    assert labels[: len(photos)].tolist() != labels[len(photos) :].tolist()


def test_photo_and_label_stay_together(photos: splits.Photos) -> None:
    for (images, _), labels in batches.for_training(photos, 8, seed=1, epochs=range(1)):
        red, _, blue = tf.unstack(tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2)), axis=1)
        np.testing.assert_array_equal(blue > red, labels[:, 0] == 1)


def test_an_epoch_is_the_same_whether_or_not_those_before_were_seen(photos: splits.Photos) -> None:
    whole = list(batches.for_training(photos, 8, seed=1, epochs=range(2)))
    steps = batches.steps_per_epoch(photos, 8)
    rest = list(batches.for_training(photos, 8, seed=1, epochs=range(1, 2)))
    assert len(rest) == steps
    assert_same(whole[steps:], rest)


@pytest.mark.parametrize("first", [0, 3])
def test_an_epoch_can_begin_at_any_step(photos: splits.Photos, first: int) -> None:
    whole = list(batches.for_training(photos, 8, seed=1, epochs=range(1, 3)))
    rest = list(batches.for_training(photos, 8, seed=1, epochs=range(1, 3), first_step=first))
    assert_same(whole[first:], rest)


def test_backgrounds_come_at_the_end_of_each_batch_one_for_each_eight_photos(photos: splits.Photos) -> None:
    made = list(batches.for_training(photos, 16, seed=1, epochs=range(2), backgrounds=black(photos)))
    steps = batches.steps_per_epoch(photos, 16)
    assert len(made) == 2 * steps
    assert sum(len(labels) for _, labels in made) == 2 * len(photos) + 2 * len(made)
    for (images, drawn), labels in made:
        assert len(images) == len(drawn) == len(labels)
        is_black = np.max(images, axis=(1, 2, 3)) == 0
        assert is_black.tolist() == [False] * (len(labels) - 2) + [True] * 2
        assert (labels[:, 0] == batches.background(1)).numpy().tolist() == is_black.tolist()
    rest = batches.for_training(photos, 16, seed=1, epochs=range(1, 2), backgrounds=black(photos))
    assert_same(made[steps:], list(rest))


def test_backgrounds_are_drawn_at_random(photos: splits.Photos) -> None:
    shades = np.broadcast_to(
        np.arange(0, 250, 5, dtype=np.uint8)[:, None, None, None], (50, photos.side, photos.side, 3)
    )
    made = batches.for_training(photos, 16, seed=1, epochs=range(1), backgrounds=shades)
    drawn = {int(shade) for (images, _), _ in made for shade in images[-2:, 0, 0, 0]}
    assert len(drawn) > len(list(made))


def test_another_seed_gives_other_batches(photos: splits.Photos) -> None:
    (one, draws), (other, other_draws) = (
        next(iter(batches.for_training(photos, 8, seed=seed, epochs=range(1))))[0] for seed in (1, 2)
    )
    assert (one != other).numpy().any()
    assert not np.intersect1d(draws, other_draws).size


def test_rare_classes_weigh_more_and_balanced_ones_have_no_weights(photos: splits.Photos) -> None:
    assert batches.class_weights(photos) is None
    uneven = labeled(photos, [int(place % 4 == 0) for place in range(len(photos))])
    total = {0.0: 0.0, 1.0: 0.0}
    for _, wanted, weights in batches.for_training(uneven, 16, seed=1, epochs=range(1), backgrounds=black(photos)):
        for label, weight in zip(wanted.numpy().ravel().tolist(), weights.numpy().ravel().tolist(), strict=True):
            if label == batches.background(1):
                assert weight == 1
            else:
                total[label] += weight
    assert total[0.0] == pytest.approx(total[1.0]) == pytest.approx(len(photos) / 2)


@pytest.mark.parametrize(("count", "expected"), [(80, 8), (640, 20), (2048, 64), (16_793, 64)])
def test_small_data_sets_have_small_batches(count: int, expected: int) -> None:
    photos = splits.Photos([data.StoredPhoto("cat/1.jpg", 0, "photos/cat/1.jpg")] * count, 160)
    assert batches.default_size(photos) == expected


def test_of_more_than_two_labels_the_target_is_one_for_the_photo_s_own(photos: splits.Photos) -> None:
    three = labeled(photos, [place % 3 for place in range(len(photos))])
    (wanted,) = (wanted.numpy() for _, wanted in batches.in_order(three, len(three), outputs=3))
    np.testing.assert_array_equal(wanted, np.eye(3, dtype=np.float32)[three.labels])


def test_of_more_than_two_labels_backgrounds_are_as_probable_as_each_other_and_weigh_one(photos: splits.Photos) -> None:
    uneven = labeled(photos, [min(place % 8, 2) for place in range(len(photos))])
    total = np.zeros(3)
    made = batches.for_training(uneven, 16, outputs=3, seed=1, epochs=range(1), backgrounds=black(photos))
    for (images, _), wanted, weights in made:
        is_black = np.max(images, axis=(1, 2, 3)) == 0
        np.testing.assert_array_equal(batches.is_background(wanted), is_black)
        np.testing.assert_allclose(wanted[is_black], 1 / 3, rtol=1e-6)
        assert (weights.numpy()[is_black] == 1).all()
        total += (wanted.numpy() * weights.numpy())[~is_black].sum(axis=0)
    np.testing.assert_allclose(total, len(photos) / 3, rtol=1e-5)


def test_a_photo_that_changes_while_training_ends_it_with_its_name(photos: splits.Photos) -> None:
    Path(photos.stored[3].file).write_bytes(b"no photo")
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"DataError: {photos.stored[3].name}"):
        list(batches.in_order(photos, 8))


@pytest.mark.parametrize("number", [2, 3])
def test_the_parts_of_devices_make_the_batch(photos: splits.Photos, number: int) -> None:
    def made(replicas: batches.Replicas) -> list[Any]:
        trained = batches.for_training(
            photos, 16, seed=1, epochs=range(1), backgrounds=black(photos), replicas=replicas
        )
        return [tf.nest.flatten(batch) for batch in (*trained, *batches.in_order(photos, 16, replicas=replicas))]

    parts = [made(batches.Replicas(range(replica, replica + 1), number)) for replica in range(number)]
    joined = [
        [tf.concat(tensors, axis=0) for tensors in zip(*batch, strict=True)] for batch in zip(*parts, strict=True)
    ]
    assert_same(joined, made(batches.ONE))
    in_one_process = made(batches.Replicas(range(number), number))
    assert_same(in_one_process, [part for batch in zip(*parts, strict=True) for part in batch])


def test_of_fewer_photos_than_devices_each_device_gets_one(photos: splits.Photos) -> None:
    one_more = len(photos) - 1
    (last,) = list(batches.in_order(photos, one_more))[1:]
    for replica in range(3):
        replicas = batches.Replicas(range(replica, replica + 1), 3)
        assert_same(list(batches.in_order(photos, one_more, replicas=replicas))[1:], [last])
