"""The splits of a data set: which photos belong to each, and their pixels, decoded when a batch needs them.

Every photo goes through `serve.model.preprocess.decode`: the network trains on the pixels that it will serve. Pixels
are not kept, on disk or in memory, whatever the number of photos. The cache holds a manifest: one line for each
photo, with its split and, if it is left out, the reason.
"""

import functools
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import PIL
from tqdm import tqdm

from serve.errors import ProblemError
from serve.model import preprocess
from train import duplicates
from train.data import SPLITS, DataError, DataSet, StoredPhoto, digest, read_split
from train.folder import ADVICE, Split, named
from train.pixels import Pixels, decode

_CHUNK: Final = 256  # photos in flight while they are checked


@dataclass(frozen=True)
class Photos:
    """The photos of one split, and how they are decoded.

    Attributes:
        stored: where they are.
        size: height and width of the network's input, in pixels.
        with_margin: decode at `serve.model.preprocess.MARGIN` times that size, for training. Random crops of a photo of
            exactly the input size would need enlarging, and would be softer than the pixels that are served.
        skipped: names of the files of this split that are left out, each with the reason: the file cannot be
            decoded, or a near-duplicate is in the test split or, for a training photo, in the validation split.
    """

    stored: Sequence[StoredPhoto]
    size: int
    with_margin: bool = False
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stored)

    @functools.cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """The index into the data set's labels, (photos,)."""
        return np.array([photo.label for photo in self.stored], np.int64)

    @property
    def side(self) -> int:
        """Height and width of the decoded photos, in pixels."""
        return round(self.size * preprocess.MARGIN) if self.with_margin else self.size

    def pixels(self, positions: Sequence[int] | npt.NDArray[np.int64]) -> Pixels:
        """Decode the photos at these positions, on all cores; (positions, side, side, 3).

        Raises:
            DataError: a file has changed since it was checked.
        """
        pixels = np.empty((len(positions), self.side, self.side, 3), np.uint8)

        def decode_into(place: int, position: int) -> None:
            pixels[place] = self._decode(self.stored[position])

        list(_pool().map(decode_into, range(len(positions)), positions))
        return pixels

    def decoded(self, batch_size: int, stop: int | None = None) -> Iterator[Pixels]:
        """The photos in order, in batches, up to the one at position `stop`."""
        stop = len(self) if stop is None else stop
        for start in range(0, stop, batch_size):
            yield self.pixels(range(start, min(start + batch_size, stop)))

    def _decode(self, photo: StoredPhoto) -> Pixels:
        try:
            return decode(photo.data, self.size, self.size, with_margin=self.with_margin)
        except (OSError, ProblemError) as error:
            raise DataError(f"{photo.name}: {error}; it has changed since training began") from error


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")


def load(data_set: DataSet, size: int, cache_dir: Path) -> dict[Split, Photos]:
    """All splits, for a network of this input size; see `load_split`."""
    return {split: load_split(data_set, split, size, cache_dir) for split in SPLITS}


def load_split(data_set: DataSet, split: Split, size: int, cache_dir: Path) -> Photos:
    """The photos of one split that can be used. The first call checks all photos, and writes the manifest.

    Raises:
        DataError: the split lacks photos of one of the classes.
    """
    file = manifest(data_set, size, cache_dir)
    if not file.is_file():
        _write(data_set, size, file)
    skipped = _skipped(file, split)
    stored = [photo for photo in read_split(data_set, split) if photo.name not in skipped]
    photos = Photos(stored, size, with_margin=split == "train", skipped=skipped)
    found = set(photos.labels.tolist())
    if missing := [label for place, label in enumerate(data_set.labels) if place not in found]:
        reasons = [skipped[one.name] for one in read_split(data_set, split) if one.label not in found]
        why = f" (left out: {len(reasons):,}, the first as: {reasons[0]})" if reasons else ""
        raise DataError(
            f"{data_set.name}: the {split} split has no photo of {named(missing)} that can be used{why}; {ADVICE}"
        )
    return photos


def manifest(data_set: DataSet, size: int, cache_dir: Path) -> Path:
    """The file with the manifest of a data set, for a network of this input size."""
    return cache_dir / f"{data_set.name}-{cache_key(data_set, size)}.jsonl"


def cache_key(data_set: DataSet, size: int) -> str:
    """Changes with everything that changes which photos are left out, and with nothing else."""
    return digest(data_set.identity(), size, preprocess.PREPROCESSING_VERSION, duplicates.VERSION, PIL.__version__)


def _skipped(manifest: Path, split: Split) -> dict[str, str]:
    with manifest.open(encoding="utf-8") as lines:
        photos = map(json.loads, lines)
        return {photo["name"]: photo["skipped"] for photo in photos if photo["split"] == split and "skipped" in photo}


def _write(data_set: DataSet, size: int, manifest: Path) -> None:
    """Write the manifest, which appears when it is complete, and say what is left out."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    partial = manifest.with_name(f".{manifest.name}.{os.getpid()}")
    skipped = _to_skip(data_set, size)
    with partial.open("w", encoding="utf-8") as lines:
        for split in SPLITS:
            for position, photo in zip(data_set.bounds(split), read_split(data_set, split), strict=True):
                line = {"split": split, "name": photo.name, "label": data_set.labels[photo.label]}
                reason = {"skipped": skipped[position]} if position in skipped else {}
                lines.write(json.dumps(line | reason) + "\n")
    partial.replace(manifest)
    for position, why in skipped.items():
        print(f"skipped {data_set.photos[position].name}: {why}")
    for split in SPLITS:
        bounds = data_set.bounds(split)
        if number := sum(position in bounds for position in skipped):
            print(f"skipped {number} of {len(bounds)} files of the {split} split")


def _to_skip(data_set: DataSet, size: int) -> dict[int, str]:
    """The positions of the photos to leave out, each with the reason."""
    skipped: dict[int, str] = {}
    hashes = np.zeros((data_set.total, duplicates.WORDS), np.uint64)
    for position, bits in enumerate(_hashes(data_set, size)):
        if isinstance(bits, ProblemError):
            skipped[position] = bits.detail
        else:
            hashes[position] = bits
    kept: list[int] = []  # of the splits that were compared; test photos come first and stay
    for split in reversed(SPLITS):
        usable = [position for position in data_set.bounds(split) if position not in skipped]
        found = duplicates.twins(hashes[usable], hashes[kept])
        for one, other in found.items():
            skipped[usable[one]] = f"near-duplicate of {data_set.photos[kept[other]].name}, which is in another split"
        kept += [position for place, position in enumerate(usable) if place not in found]
    return skipped


def _hashes(data_set: DataSet, size: int) -> Iterator[duplicates.Hash | ProblemError]:
    """The hash of each photo in stored order, or why it cannot be decoded at this size; shows a progress bar."""

    def of(photo: StoredPhoto) -> duplicates.Hash | ProblemError:
        try:
            data = photo.data
            preprocess.check(data, size)  # the hash needs a smaller picture, which may be had where this one may not
            return duplicates.difference_hash(data)
        except ProblemError as problem:
            return problem

    photos = iter(data_set.photos)
    with tqdm(total=data_set.total, desc="check photos", unit="photo") as bar:
        while chunk := list(itertools.islice(photos, _CHUNK)):
            yield from _pool().map(of, chunk)
            bar.update(len(chunk))
