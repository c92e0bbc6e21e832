"""Random changes to training photos that leave their label true.

The input pipeline draws the random numbers, which depend on a seed. A layer changes the photos by them in the training
step: on the accelerator, where there is one.
"""

from typing import Final, NamedTuple

import keras
import numpy as np
import tensorflow as tf

_GRAY: Final = 127.5
_LOG_ASPECT: Final = 0.2877  # log(4/3)


class Draw(NamedTuple):
    """Uniform random numbers, so many for each photo."""

    low: float
    high: float
    numbers: int = 1


DRAWS: Final = {
    "area": Draw(0.35, 1.2),
    "aspect": Draw(-_LOG_ASPECT, _LOG_ASPECT),
    "top": Draw(0.0, 1.0),
    "left": Draw(0.0, 1.0),
    "mirror": Draw(0.0, 1.0),
    "sharpness": Draw(-0.7, 0.8),
    "brightness": Draw(0.6, 1.4),
    "white balance": Draw(0.9, 1.1, numbers=3),
    "contrast": Draw(0.6, 1.4),
    "gray": Draw(0.0, 1.0),
    "saturation": Draw(0.6, 1.4),
}
"""What is drawn at random for each photo. Each draw has its own seed, by its place here.

Append a new draw at the end: the others keep their seeds, and training runs stay comparable. A draw that is no longer
used keeps its place."""


def draw(photos: int, seed: tf.Tensor) -> tf.Tensor:
    """All `DRAWS` of each photo, side by side: float32, (photos, numbers).

    Args:
        seed: int64, (2,). The same seed gives the same numbers.
    """
    seeds = tf.unstack(tf.random.split(seed, len(DRAWS)))
    return tf.concat(
        [
            tf.random.stateless_uniform([photos, numbers], one, low, high)
            for one, (low, high, numbers) in zip(seeds, DRAWS.values(), strict=True)
        ],
        axis=1,
    )


class Augment(keras.layers.Layer):
    """Crop, stretch, mirror, sharpen or soften, and recolor each photo of a batch at random.

    Crops keep 35% to 120% of the area (above 100% with gray around), at an aspect of 3:4 to 4:3. Sharpness changes by
    factors of 0.5 to 2.2: it is what differs most from one camera and one resize to the next. Brightness, contrast and
    saturation change by up to 40%, the white balance by 10%. One photo in ten loses its color.

    Args:
        size: height and width of the result, in pixels.
    """

    def __init__(self, size: int) -> None:
        super().__init__(dtype="float32")  # in mixed precision, too
        self._size = size

    def call(self, images: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        """Change images of 0-255, (batch, height, width, 3), by what `draw` drew for them.

        Returns:
            float32 0-255, (batch, size, size, 3).
        """
        numbers = tf.split(drawn[:, tf.newaxis, tf.newaxis], [one.numbers for one in DRAWS.values()], axis=3)
        by_name = dict(zip(DRAWS, numbers, strict=True))
        images = _crop(tf.cast(images, tf.float32), self._size, by_name)
        return tf.clip_by_value(_recolor(_sharpen(images, by_name), by_name), 0.0, 255.0)


Drawn = dict[str, tf.Tensor]
"""By the name of the draw: float32, (batch, 1, 1, numbers)."""


def _crop(images: tf.Tensor, size: int, drawn: Drawn) -> tf.Tensor:
    area, aspect, top, left, mirror = (drawn[name][:, 0, 0, 0] for name in ("area", "aspect", "top", "left", "mirror"))
    aspect = tf.exp(aspect)
    height, width = tf.sqrt(area / aspect), tf.sqrt(area * aspect)
    top, left = top * (1.0 - height), left * (1.0 - width)
    right, mirrored = left + width, mirror < 0.5
    # `crop_and_resize` mirrors a box whose left and right side are exchanged.
    boxes = tf.stack([top, tf.where(mirrored, right, left), top + height, tf.where(mirrored, left, right)], axis=1)
    places = tf.range(tf.shape(images)[0])
    return tf.image.crop_and_resize(images, boxes, places, (size, size), extrapolation_value=_GRAY)


def _sharpen(images: tf.Tensor, drawn: Drawn) -> tf.Tensor:
    """Scale what a blur takes away: below 1 softens, above 1 sharpens."""
    soft = _soften(images)
    return soft + (images - soft) * tf.exp(drawn["sharpness"])


def _soften(images: tf.Tensor) -> tf.Tensor:
    """The mean of each pixel and its eight neighbors; the pixel itself has five times the weight of a neighbor."""
    kernel = np.ones((3, 3, 3, 1), np.float32)
    kernel[1, 1] = 5
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "REFLECT")
    return tf.nn.depthwise_conv2d(padded, kernel / kernel[..., 0, 0].sum(), (1, 1, 1, 1), "VALID")


def _recolor(images: tf.Tensor, drawn: Drawn) -> tf.Tensor:
    images *= drawn["brightness"] * drawn["white balance"]
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * drawn["contrast"]
    gray = tf.image.rgb_to_grayscale(images)
    colorful = tf.cast(drawn["gray"] >= 0.1, tf.float32)
    return gray + (images - gray) * drawn["saturation"] * colorful
