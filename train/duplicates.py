"""Near-duplicates in a data set, found by how they look, whatever their size and compression."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from train.pixels import decode

SIDE: Final = 16
BITS: Final = SIDE * SIDE
SAME_PICTURE: Final = 24
"""The most bits in which two hashes of one picture may differ. In cats_vs_dogs, near-duplicates differ in 15 at most,
other pairs of photos in 34 at least."""

VERSION: Final = 1
"""Raise it with every change of this file that finds other near-duplicates: the photo cache depends on it."""

Hash = npt.NDArray[np.bool_]

_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601, section 2.5.1
_BLOCK: Final = 1000  # photos compared with all others at once


Hashes = npt.NDArray[np.bool_]
"""(photos, BITS)."""


@dataclass(frozen=True)
class Pair:
    """Two photos that look alike: their positions, and the number of differing bits of their hashes, of `BITS`."""

    first: int
    second: int
    distance: int


def difference_hash(image: bytes) -> Hash:
    """A bit for each place of a coarse grid: set where the photo gets lighter from left to right.

    Returns:
        (BITS,) bits, row by row. Another size, quality or brightness of the same photo changes few of them.

    Raises:
        ProblemError: the bytes are not a supported image (see `serve.model.preprocess.decode`).
    """
    luma = decode(image, 2 * SIDE, 2 * (SIDE + 1)) @ np.array(_LUMA)
    # The mean of each 2 x 2 pixels: with less averaging, hashes of one photo at two sizes differ in more bits.
    luma = luma.reshape(SIDE, 2, SIDE + 1, 2).mean(axis=(1, 3))
    return np.asarray(luma[:, 1:] > luma[:, :-1]).ravel()


def twins(hashes: Hashes, others: Hashes, max_distance: int = SAME_PICTURE) -> dict[int, int]:
    """Photos with a near-duplicate among others: position in `hashes` -> position of the closest one in `others`."""
    found = {}
    for start in range(0, len(hashes), _BLOCK):
        distances = _distances(hashes[start : start + _BLOCK], others)
        for row in np.flatnonzero(distances.min(axis=1) <= max_distance):
            found[start + int(row)] = int(distances[row].argmin())
    return found


def _distances(hashes: Hashes, others: Hashes) -> npt.NDArray[np.floating]:
    """The number of bits in which each hash differs from each of the others, (photos, others)."""
    # With bits as -1 and 1, the product is agreeing minus differing bits: whole numbers, exact in float32.
    signs, other_signs = (np.where(bits, 1, -1).astype(np.float32) for bits in (hashes, others))
    return (BITS - signs @ other_signs.T) / 2


def close_pairs(hashes: Hashes, max_distance: int) -> list[Pair]:
    """All pairs of photos whose hashes differ in at most `max_distance` bits, the closest first.

    Args:
        hashes: (photos, BITS).
        max_distance: in bits; two unrelated photos differ in about half of them.
    """
    pairs = []
    for start in range(0, len(hashes), _BLOCK):
        distances = _distances(hashes[start : start + _BLOCK], hashes[start:])
        for row, column in np.argwhere(np.triu(distances <= max_distance, k=1)):
            pairs.append(Pair(start + int(row), start + int(column), int(distances[row, column])))
    return sorted(pairs, key=lambda pair: (pair.distance, pair.first, pair.second))
