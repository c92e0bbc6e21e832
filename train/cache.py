"""Decoded photos of a data set, cached on disk.

Every photo goes through `serve.model.preprocess.decode`: the network trains on the pixels that it will serve.
"""

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import PIL
from tqdm import tqdm

from serve.errors import ProblemError
from serve.model import preprocess
from train import duplicates
from train.data import SPLITS, DataError, EncodedPhoto, Source, digest, read_split
from train.folder import ADVICE, Split, named
from train.pixels import Pixels, decode

T = TypeVar("T")

_CHUNK: Final = 256  # photos in flight while decoding


@dataclass(frozen=True)
class Photos:
    """Decoded photos of one split.

    Attributes:
        images: uint8 RGB pixels 0-255, (photos, height, width, 3); a read-only map of the cache file.
        labels: int64, (photos,): the index into the source's labels.
        names: of the files.
        skipped: names of the files of this split that are left out, each with the reason: the file cannot be
            decoded, or the photo is for training and a near-duplicate is in the validation or test split.
    """

    images: Pixels
    labels: npt.NDArray[np.int64]
    names: list[str]
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.labels)


def cache_key(source: Source) -> str:
    """Changes with everything that changes decoded pixels or which photos are left out, and with nothing else."""
    return digest(source.identity(), preprocess.PREPROCESSING_VERSION, duplicates.VERSION, PIL.__version__)


def load(source: Source, size: int, cache_dir: Path) -> dict[Split, Photos]:
    """All splits, decoded for a network of this input size.

    Raises:
        DataError: a split lacks photos of one of the classes.
    """
    return {split: load_split(source, split, size, cache_dir) for split in SPLITS}


def load_split(source: Source, split: Split, size: int, cache_dir: Path) -> Photos:
    """The photos of one split at size x size, from `cache_dir`; the first call decodes them.

    Photos of the training split are `serve.model.preprocess.MARGIN` times as high and wide. Random crops of a photo of
    exactly the input size would need enlarging, and would be softer than the pixels that are served.

    Raises:
        DataError: the split lacks photos of one of the classes.
    """
    folder = cache_dir / f"{source.name}-{split}-{size}-{cache_key(source)}"
    if not folder.is_dir():
        _decode_all(source, split, size, folder)
    index = json.loads((folder / "index.json").read_text())
    photos = Photos(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=np.array(index["labels"], np.int64),
        names=index["names"],
        skipped=index["skipped"],
    )
    found = set(photos.labels.tolist())
    if missing := [label for place, label in enumerate(source.labels) if place not in found]:
        raise DataError(f"{source.name}: the {split} split has no photo of {named(missing)} that can be used; {ADVICE}")
    return photos


def _decode_all(source: Source, split: Split, size: int, folder: Path) -> None:
    """Write images.npy and index.json into `folder`, which appears when both are complete."""
    labels: list[int] = []
    names: list[str] = []
    skipped = _duplicated(source) if split == "train" else {}
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        with (partial / "pixels").open("wb") as pixels:
            for photo, image in _decoded(source, split, size):
                if isinstance(image, ProblemError):
                    skipped[photo.name] = image.detail
                if photo.name in skipped or isinstance(image, ProblemError):
                    continue
                pixels.write(image.tobytes())
                labels.append(photo.label)
                names.append(photo.name)
        side = round(size * preprocess.MARGIN) if split == "train" else size
        _prepend_npy_header(partial / "pixels", (len(labels), side, side, 3), partial / "images.npy")
        (partial / "index.json").write_text(json.dumps({"labels": labels, "names": names, "skipped": skipped}))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for name, why in skipped.items():
        print(f"skipped {name}: {why}")
    if skipped:
        print(f"skipped {len(skipped)} of {len(skipped) + len(labels)} files of the {split} split")


def _decoded(source: Source, split: Split, size: int) -> Iterator[tuple[EncodedPhoto, Pixels | ProblemError]]:
    """The photos of a split in stored order, decoded."""
    work = partial(decode, height=size, width=size, with_margin=split == "train")
    return _on_all_cores(source, split, work, f"decode {split}")


def _duplicated(source: Source) -> dict[str, str]:
    """Training photos with a near-duplicate in the validation or test split: their names, each with the reason."""
    names: dict[bool, list[str]] = {True: [], False: []}
    hashes: dict[bool, list[duplicates.Hash]] = {True: [], False: []}
    for split in SPLITS:
        for photo, bits in _on_all_cores(source, split, duplicates.difference_hash, f"compare {split}"):
            if not isinstance(bits, ProblemError):
                names[split == "train"].append(photo.name)
                hashes[split == "train"].append(bits)
    if not (hashes[True] and hashes[False]):
        return {}
    found = duplicates.twins(np.array(hashes[True]), np.array(hashes[False]))
    return {
        names[True][one]: f"near-duplicate of {names[False][other]}, which is not for training"
        for one, other in found.items()
    }


def _on_all_cores(
    source: Source, split: Split, work: Callable[[bytes], T], title: str
) -> Iterator[tuple[EncodedPhoto, T | ProblemError]]:
    """The photos of a split in stored order, each with the result of `work` or its error; shows a progress bar."""

    def done(photo: EncodedPhoto) -> T | ProblemError:
        try:
            return work(photo.data)
        except ProblemError as problem:
            return problem

    photos, total = read_split(source, split), len(source.bounds(split))
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=total, desc=title, unit="photo") as bar:
        while chunk := list(itertools.islice(photos, _CHUNK)):
            yield from zip(chunk, pool.map(done, chunk), strict=True)
            bar.update(len(chunk))


def _prepend_npy_header(pixels: Path, shape: tuple[int, ...], target: Path) -> None:
    """The number of photos is known only at the end; the header of the NumPy format comes first."""
    with target.open("wb") as file, pixels.open("rb") as body:
        np.lib.format.write_array_header_2_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        shutil.copyfileobj(body, file, 1 << 24)
    pixels.unlink()
