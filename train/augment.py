"""Random changes to training photos that leave their label true."""

from collections.abc import Callable
from typing import Final

import numpy as np
import tensorflow as tf

DRAWS: Final = (
    "area", "aspect", "top", "left", "mirror", "sharpness", "brightness", "white balance", "contrast", "gray",
    "saturation",
)  # fmt: skip
"""What is drawn at random for each photo. Each draw has its own seed, by its place here.

Append a new draw at the end: the others keep their seeds, and training runs stay comparable. A draw that is no longer
used keeps its place."""

_GRAY: Final = 127.5
_LOG_ASPECT: Final = 0.2877  # log(4/3)

Draw = Callable[..., tf.Tensor]
"""(name, low, high, *shape): uniform random numbers, float32, (batch, *shape)."""


def augment(images: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Crop, stretch, mirror, sharpen or soften, and recolor each photo of a batch at random.

    Crops keep 35% to 120% of the area (above 100% with gray around), at an aspect of 3:4 to 4:3. Sharpness changes by
    factors of 0.5 to 2.2: it is what differs most from one camera and one resize to the next. Brightness, contrast and
    saturation change by up to 40%, the white balance by 10%. One photo in ten loses its color.

    Args:
        images: float32 0-255, (batch, height, width, 3).
        size: height and width of the result, in pixels.
        seed: int64, (2,). The same seed gives the same result.

    Returns:
        float32 0-255, (batch, size, size, 3).
    """
    draw = _draws(tf.shape(images)[0], seed)
    images = _crop(images, size, draw)
    images = _sharpen(images, draw)
    return tf.clip_by_value(_recolor(images, draw), 0.0, 255.0)


def _draws(batch: tf.Tensor, seed: tf.Tensor) -> Draw:
    seeds = dict(zip(DRAWS, tf.unstack(tf.random.split(seed, len(DRAWS))), strict=True))

    def draw(name: str, low: float, high: float, *shape: int) -> tf.Tensor:
        return tf.random.stateless_uniform([batch, *shape], seeds[name], low, high)

    return draw


def _crop(images: tf.Tensor, size: int, draw: Draw) -> tf.Tensor:
    area, aspect = draw("area", 0.35, 1.2), tf.exp(draw("aspect", -_LOG_ASPECT, _LOG_ASPECT))
    height, width = tf.sqrt(area / aspect), tf.sqrt(area * aspect)
    top, left = draw("top", 0.0, 1.0) * (1.0 - height), draw("left", 0.0, 1.0) * (1.0 - width)
    right, mirrored = left + width, draw("mirror", 0.0, 1.0) < 0.5
    # `crop_and_resize` mirrors a box whose left and right side are exchanged.
    boxes = tf.stack([top, tf.where(mirrored, right, left), top + height, tf.where(mirrored, left, right)], axis=1)
    places = tf.range(tf.shape(images)[0])
    return tf.image.crop_and_resize(images, boxes, places, (size, size), extrapolation_value=_GRAY)


def _sharpen(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    """Scale what a blur takes away: below 1 softens, above 1 sharpens."""
    soft = _soften(images)
    return soft + (images - soft) * tf.exp(draw("sharpness", -0.7, 0.8, 1, 1, 1))


def _soften(images: tf.Tensor) -> tf.Tensor:
    """The mean of each pixel and its eight neighbors; the pixel itself has five times the weight of a neighbor."""
    kernel = np.ones((3, 3, 3, 1), np.float32)
    kernel[1, 1] = 5
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "REFLECT")
    return tf.nn.depthwise_conv2d(padded, kernel / kernel[..., 0, 0].sum(), (1, 1, 1, 1), "VALID")


def _recolor(images: tf.Tensor, draw: Draw) -> tf.Tensor:
    images *= draw("brightness", 0.6, 1.4, 1, 1, 1) * draw("white balance", 0.9, 1.1, 1, 1, 3)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * draw("contrast", 0.6, 1.4, 1, 1, 1)
    gray = tf.image.rgb_to_grayscale(images)
    colorful = tf.cast(draw("gray", 0.0, 1.0, 1, 1, 1) >= 0.1, tf.float32)
    return gray + (images - gray) * draw("saturation", 0.6, 1.4, 1, 1, 1) * colorful
