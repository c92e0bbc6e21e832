"""Occlusion maps: the parts of a photo that an answer depends on."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from train.pixels import Pixels

_CERTAIN = 1e-6  # a probability of 0 or 1 has no logit


def occlusion(
    probability: Callable[[Pixels], float], pixels: Pixels, patch: int, stride: int
) -> npt.NDArray[np.float64]:
    """Cover one square of a photo after another, and measure how far the logit falls.

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, 4.2.

    Args:
        probability: P(a label) of pixels.
        pixels: (height, width, 3).
        patch: side of the square, in pixels; it has the photo's mean color.
        stride: from one place of the square to the next, in pixels.

    Returns:
        (height, width): the mean fall of the logit of P(the label) over the squares that cover the pixel. Above 0, the
        pixel is evidence for the label; below 0, against it.
    """
    height, width = pixels.shape[:2]
    whole = _logit(probability(pixels))
    falls, covered = np.zeros((height, width)), np.zeros((height, width))
    for top in _starts(height, patch, stride):
        for left in _starts(width, patch, stride):
            place = slice(top, top + patch), slice(left, left + patch)
            without = pixels.copy()
            without[place] = pixels.mean(axis=(0, 1))
            falls[place] += whole - _logit(probability(without))
            covered[place] += 1
    return falls / covered


def _logit(probability: float) -> float:
    return float(logit(np.clip(probability, _CERTAIN, 1 - _CERTAIN)))


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """The starts of squares; the last square ends at the edge."""
    last = max(0, length - patch)
    return sorted({*range(0, last, stride), last})
