"""Near-duplicates in a data set, found by how they look, whatever their size and compression.

Photos are compared only if parts of their hashes are alike, and yet each near-duplicate is found (multi-index hashing:
Norouzi et al. 2012, arXiv:1307.2982). The time grows with the number of photos, not with its square.
"""

from collections.abc import Iterator
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

VERSION: Final = 2
"""Raise it with every change that leaves out other near-duplicates: the manifest depends on it."""

Hash = npt.NDArray[np.uint64]
"""(WORDS,): `BITS` bits."""

Hashes = npt.NDArray[np.uint64]
"""(photos, WORDS)."""

WORDS: Final = BITS // 64

_LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601, section 2.5.1
_BLOCK: Final = 1 << 20  # pairs compared at once
_A_FEW: Final = 8  # of the photos that are equal in a part
# Neighboring bits are alike: before a white wall, whole rows of them. Parts of bits in random order tell more apart.
_ORDER: Final = np.random.default_rng(1).permutation(BITS)

_Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Two photos that look alike: their positions, and the number of differing bits of their hashes, of `BITS`."""

    first: int
    second: int
    distance: int


def difference_hash(image: bytes) -> Hash:
    """A bit for each place of a coarse grid: set where the photo gets lighter from left to right.

    Returns:
        `BITS` bits, row by row. Another size, quality or brightness of the same photo changes few of them.

    Raises:
        ProblemError: the bytes are not a supported image (see `serve.model.preprocess.decode`).
    """
    luma = decode(image, 2 * SIDE, 2 * (SIDE + 1)) @ np.array(_LUMA)
    # The mean of each 2 x 2 pixels: with less averaging, hashes of one photo at two sizes differ in more bits.
    luma = luma.reshape(SIDE, 2, SIDE + 1, 2).mean(axis=(1, 3))
    return np.packbits(luma[:, 1:] > luma[:, :-1]).view(np.uint64)


def twins(hashes: Hashes, others: Hashes, max_distance: int = SAME_PICTURE) -> dict[int, int]:
    """Photos with a near-duplicate among others: position in `hashes` -> position of one in `others`."""
    # A picture that comes a thousand times, such as "no photo available", is compared once.
    hashes, places = np.unique(hashes, axis=0, return_inverse=True)
    others, first = np.unique(others, axis=0, return_index=True)
    found = np.full(len(hashes), -1)
    # Where most photos look alike, as those of a fixed camera do, most find one among the first.
    for at_most in (_A_FEW, None):
        for part in _parts(max_distance):
            left = np.flatnonzero(found < 0)
            for rows, columns in _candidates(hashes[left], others, part, at_most):
                near = _distances(hashes[left[rows]], others[columns]) <= max_distance
                found[left[rows[near]]] = first[columns[near]]
    twin = found[places].tolist()
    return {position: other for position, other in enumerate(twin) if other >= 0}


def close_pairs(hashes: Hashes, max_distance: int) -> list[Pair]:
    """All pairs of photos whose hashes differ in at most `max_distance` bits, the closest first.

    Args:
        hashes: (photos, WORDS).
        max_distance: in bits; two unrelated photos differ in about half of them.
    """
    found = set[tuple[int, int]]()
    for part in _parts(max_distance):
        for rows, columns in _candidates(hashes, hashes, part):
            near = (rows < columns) & (_distances(hashes[rows], hashes[columns]) <= max_distance)
            found.update(zip(rows[near].tolist(), columns[near].tolist(), strict=True))
    first, second = np.array(sorted(found), np.int64).reshape(-1, 2).T
    distances = _distances(hashes[first], hashes[second])
    pairs = map(Pair, first.tolist(), second.tolist(), distances.tolist())
    return sorted(pairs, key=lambda pair: (pair.distance, pair.first, pair.second))


def _distances(hashes: Hashes, others: Hashes) -> _Places:
    """The number of bits in which each hash differs from the other one, (photos,)."""
    return np.bitwise_count(hashes ^ others).sum(axis=1, dtype=np.int64)


def _parts(max_distance: int) -> list[_Places]:
    """Parts of the bits. Hashes that differ in at most `max_distance` differ in at most one bit of some part.

    With two bits in each, the whole would differ in more.
    """
    return np.array_split(_ORDER, max(WORDS, max_distance // 2 + 1))


def _candidates(
    hashes: Hashes, others: Hashes, part: _Places, at_most: int | None = None
) -> Iterator[tuple[_Places, _Places]]:
    """Blocks of pairs that differ in at most one bit of a part, none of them twice.

    Args:
        at_most: of the pairs of a hash that have the same bits in the part, how many are taken; None: all.
    """
    keys, other_keys = _keys(hashes, part), _keys(others, part)
    order = np.argsort(other_keys)
    for change in (0, *(1 << place for place in range(len(part)))):
        yield from _equal(keys ^ np.uint64(change), other_keys[order], order, at_most)


def _keys(hashes: Hashes, part: _Places) -> npt.NDArray[np.uint64]:
    """These bits of each hash as a number, (photos,)."""
    keys = np.zeros(len(hashes), np.uint64)
    for place, bit in enumerate(part.tolist()):
        keys |= (hashes[:, bit // 64] >> np.uint64(bit % 64) & np.uint64(1)) << np.uint64(place)
    return keys


def _equal(
    keys: npt.NDArray[np.uint64], ordered: npt.NDArray[np.uint64], order: _Places, at_most: int | None
) -> Iterator[tuple[_Places, _Places]]:
    """Blocks of pairs with equal keys. `order` are the positions of the keys that are `ordered`."""
    start = np.searchsorted(ordered, keys, "left")
    number = np.searchsorted(ordered, keys, "right") - start
    number = number if at_most is None else np.minimum(number, at_most)
    rows = np.flatnonzero(number)
    ends = np.cumsum(number[rows])
    for block in np.split(rows, np.searchsorted(ends, np.arange(_BLOCK, ends[-1] if len(ends) else 0, _BLOCK))):
        many = number[block]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        yield np.repeat(block, many), order[np.repeat(start[block], many) + within]
