"""Batches of decoded photos: in order to measure with, shuffled to train on."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from train import augment
from train.pixels import Pixels
from train.splits import Photos

PHOTOS_PER_BACKGROUND: Final = 8

MAX_IMBALANCE: Final = 1.5
"""The largest ratio of photos between two classes that needs no class weights."""


class Replicas(NamedTuple):
    """The devices that this process feeds, of all that share each batch. Each gets a part of it, in their order."""

    here: range = range(1)
    number: int = 1

    def parts(self, order: tf.data.Dataset) -> tf.data.Dataset:
        """Each element of the data set once for each device of this process: (number of the device, *element)."""
        here = tf.data.Dataset.range(self.here.start, self.here.stop)
        return order.flat_map(lambda *batch: here.map(lambda replica: (replica, *batch)))

    def bounds(self, replica: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The first row of a device's part of so many, and the one behind it.

        Of fewer rows than devices, several devices get the same one: the mean of no rows is no number.
        """
        start = rows * replica // self.number
        return start, tf.maximum(start + 1, rows * (replica + 1) // self.number)


ONE: Final = Replicas()


def in_order(photos: Photos, batch_size: int, outputs: int = 1, replicas: Replicas = ONE) -> tf.data.Dataset:
    """The photos in order, as (uint8 pixels 0-255 (batch, size, size, 3), targets); see `targets`."""

    def make(replica: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        start, stop = replicas.bounds(replica, tf.size(indices, tf.int64))
        return _gather(photos, indices[start:stop], outputs)

    return replicas.parts(tf.data.Dataset.range(len(photos)).batch(batch_size)).map(make).prefetch(2)


def for_training(
    photos: Photos,
    batch_size: int,
    *,
    outputs: int = 1,
    seed: int,
    epochs: range,
    first_step: int = 0,
    backgrounds: Pixels | None = None,
    replicas: Replicas = ONE,
) -> tf.data.Dataset:
    """Shuffled batches, `steps_per_epoch` for each epoch, as ((photos, draws), targets).

    With class weights, as ((photos, draws), targets, weights). `augment.Augment` changes the photos (uint8 0-255) by
    what has been drawn at random for them.

    A batch depends on the seed, the epoch and its place in the epoch only. A resumed run sees the batches that an
    uninterrupted one would have seen.

    Args:
        photos: of the training split.
        batch_size: photos in a batch; the last one of an epoch may hold fewer.
        outputs: of the network; see `targets`.
        epochs: numbers of the epochs, counted from 0.
        first_step: of the first of these epochs; steps before it are left out.
        replicas: of this process. They get their parts of each batch, one after the other.
        backgrounds: pictures of no class, as high and wide as `photos`. One for every `PHOTOS_PER_BACKGROUND` photos
            is appended to each batch, with `background` as the target.
    """
    added = batch_size // PHOTOS_PER_BACKGROUND if backgrounds is not None and len(backgrounds) else 0
    weights = class_weights(photos)

    def make(replica: tf.Tensor, indices: tf.Tensor, step: tf.Tensor) -> tuple[Any, ...]:
        batch_seed, real = tf.stack([tf.cast(seed, tf.int64), step]), tf.size(indices, tf.int64)
        start, stop = replicas.bounds(replica, real + added)
        images, wanted = _gather(photos, tf.sort(indices)[start:stop], outputs)  # sorted: reads files front to back
        if added and backgrounds is not None:
            rows = tf.random.stateless_uniform([added], batch_seed, maxval=len(backgrounds), dtype=tf.int64)
            rows = rows[tf.maximum(start - real, 0) : tf.maximum(stop - real, 0)]
            images = tf.concat([images, _pixels(lambda rows: backgrounds[rows], rows, photos.side)], axis=0)
            wanted = tf.concat([wanted, tf.fill([tf.size(rows), outputs], background(outputs))], axis=0)
        inputs = images, augment.draw(real + added, batch_seed)[start:stop]
        return (inputs, wanted) if weights is None else (inputs, wanted, _weights(wanted, weights))

    order = _shuffled(len(photos), batch_size, seed, epochs, first_step)
    return replicas.parts(order).map(make, num_parallel_calls=2, deterministic=True).prefetch(4)


def targets(labels: tf.Tensor, outputs: int) -> tf.Tensor:
    """What a network learns to answer, float32, (batch, outputs).

    Args:
        labels: int64, (batch,).
        outputs: 1 for two labels: the target is the label, 0 or 1. Otherwise the number of labels: 1 for the photo's
            label, 0 for the others.
    """
    return tf.cast(labels[:, tf.newaxis], tf.float32) if outputs == 1 else tf.one_hot(labels, outputs)


def background(outputs: int) -> float:
    """The target of a background, which shows no class: every label is as probable as every other."""
    return 1 / max(2, outputs)


def is_background(wanted: tf.Tensor) -> tf.Tensor:
    """Which rows of targets (batch, outputs) are those of backgrounds, (batch,)."""
    return wanted[:, 0] == background(wanted.shape[1])


def default_size(photos: Photos) -> int:
    """Photos in a batch: 64, or fewer for a small data set, so that an epoch has steps enough to learn from."""
    return min(64, max(8, len(photos) // 32))


def class_weights(photos: Photos) -> npt.NDArray[np.float32] | None:
    """The weight of each class in the loss, (classes,), by which rare classes count as much as frequent ones.

    None: the classes are balanced. See `MAX_IMBALANCE`.
    """
    counts = np.bincount(photos.labels)
    if counts.max() <= MAX_IMBALANCE * counts.min():
        return None
    return (counts.sum() / (len(counts) * counts)).astype(np.float32)


def steps_per_epoch(photos: Photos, batch_size: int) -> int:
    """Batches in one pass over the photos; the last one may be smaller."""
    return _steps(len(photos), batch_size)


def _steps(photos: int, batch_size: int) -> int:
    return -(-photos // batch_size)


def _shuffled(photos: int, batch_size: int, seed: int, epochs: range, first_step: int) -> tf.data.Dataset:
    """The positions of the photos of each batch, and the number of the batch since epoch 0."""
    steps = _steps(photos, batch_size)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(photos, dtype=tf.int64), seed=[seed, epoch])
        first = tf.where(epoch == epochs.start, tf.constant(first_step, tf.int64), 0)
        indices = tf.data.Dataset.from_tensor_slices(order[first * batch_size :]).batch(batch_size)
        return tf.data.Dataset.zip((indices, tf.data.Dataset.range(epoch * steps + first, (epoch + 1) * steps)))

    return tf.data.Dataset.range(epochs.start, epochs.stop, output_type=tf.int64).flat_map(epoch_batches)


def _weights(wanted: tf.Tensor, of_classes: npt.NDArray[np.float32]) -> tf.Tensor:
    """The weight of each photo, (batch, 1); backgrounds have a weight of 1."""
    labels = tf.cast(wanted[:, 0], tf.int64) if wanted.shape[1] == 1 else tf.argmax(wanted, axis=1)
    of_photos = tf.where(is_background(wanted), 1.0, tf.gather(tf.constant(of_classes), labels))
    return of_photos[:, tf.newaxis]


def _gather(photos: Photos, indices: tf.Tensor, outputs: int) -> tuple[tf.Tensor, tf.Tensor]:
    images = _pixels(photos.pixels, indices, photos.side)
    return images, targets(tf.gather(tf.constant(photos.labels), indices), outputs)


def _pixels(read: Callable[[npt.NDArray[np.int64]], Pixels], rows: tf.Tensor, side: int) -> tf.Tensor:
    pixels = tf.numpy_function(read, [rows], tf.uint8, stateful=False)
    return tf.ensure_shape(pixels, (None, side, side, 3))
