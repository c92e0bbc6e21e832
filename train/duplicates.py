"""Photos that a data set holds more than once: found by how they look, whatever their size and compression."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from serve.model import preprocess

SIDE: Final = 16
BITS: Final = SIDE * SIDE
SAME_PICTURE: Final = 24
"""The most bits in which two hashes of one picture differ: cats_vs_dogs has 15 at the most, and 34 between others."""

Hash = npt.NDArray[np.bool_]

_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601, section 2.5.1
_BLOCK: Final = 1000  # photos compared with all others at once


Hashes = npt.NDArray[np.bool_]
"""(photos, BITS)."""


@dataclass(frozen=True)
class Pair:
    """Two photos that look alike: their positions, and how many of the `BITS` bits of their hashes differ."""

    first: int
    second: int
    distance: int


def difference_hash(image: bytes) -> Hash:
    """Where an encoded photo gets lighter from left to right, seen from so far that only shapes are left.

    Returns:
        (BITS,) bits, row by row. Another size, quality or brightness of the same photo changes few of them.

    Raises:
        ProblemError: the bytes are not an image that is taken here (see `serve.model.preprocess.decode`).
    """
    luma = preprocess.decode(image, 2 * SIDE, 2 * (SIDE + 1)) @ np.array(_LUMA)
    # Of each 2 x 2 pixels the mean: with less averaging, hashes of the same photo at two sizes differ in more bits.
    luma = luma.reshape(SIDE, 2, SIDE + 1, 2).mean(axis=(1, 3))
    return np.asarray(luma[:, 1:] > luma[:, :-1]).ravel()


def twins(hashes: Hashes, others: Hashes, max_distance: int = SAME_PICTURE) -> dict[int, int]:
    """Which photos have their picture among other ones: their positions, each with that of the closest other one."""
    found = {}
    for start in range(0, len(hashes), _BLOCK):
        distances = _distances(hashes[start : start + _BLOCK], others)
        for row in np.flatnonzero(distances.min(axis=1) <= max_distance):
            found[start + int(row)] = int(distances[row].argmin())
    return found


def _distances(hashes: Hashes, others: Hashes) -> npt.NDArray[np.floating]:
    """In how many bits each differs from each of the others, (photos, others)."""
    # Of -1 and 1, the product is how many bits agree less how many differ: whole numbers, exact in float32.
    signs, other_signs = (np.where(bits, 1, -1).astype(np.float32) for bits in (hashes, others))
    return (BITS - signs @ other_signs.T) / 2


def close_pairs(hashes: Hashes, max_distance: int) -> list[Pair]:
    """Every two photos whose hashes differ in at most `max_distance` bits, the closest first.

    Args:
        hashes: (photos, BITS).
        max_distance: for two unrelated photos, about half of the bits differ.
    """
    pairs = []
    for start in range(0, len(hashes), _BLOCK):
        distances = _distances(hashes[start : start + _BLOCK], hashes[start:])
        for row, column in np.argwhere(np.triu(distances <= max_distance, k=1)):
            pairs.append(Pair(start + int(row), start + int(column), int(distances[row, column])))
    return sorted(pairs, key=lambda pair: (pair.distance, pair.first, pair.second))
