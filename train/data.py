"""Data sets of labeled photos, split once: TensorFlow Datasets' cats_vs_dogs, or a folder of class folders.

A data set knows where the bytes of each photo are, and holds none of them.
"""

import functools
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from train import folder
from train.folder import Split

DATASET: Final = "cats_vs_dogs"
FOLDER: Final = "folder"
"""The version of a data set that is a folder."""

SPLITS: Final[dict[Split, tuple[int, int]]] = {"train": (0, 80), "validation": (80, 90), "test": (90, 100)}
"""Where each split begins and ends, in percent of the photos in the order in which TFDS stores them.

TFDS shuffles that order once, when it prepares the data. Every run has the same splits."""


class DataError(ValueError):
    """The data cannot be used; the message says what to do."""


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo in memory, encoded."""

    name: str
    data: bytes
    label: int


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """A photo of a data set: its name, its label, and the part of a file that holds it.

    Attributes:
        offset, size: of the encoded photo in the file, in bytes. A size of -1: to the end of the file.
    """

    name: str
    label: int
    file: str
    offset: int = 0
    size: int = -1

    @property
    def data(self) -> bytes:
        """The encoded photo. Every access reads the file."""
        with open(self.file, "rb", buffering=0) as file:  # noqa: PTH123 -- a string takes a fifth of a Path's memory
            file.seek(self.offset)
            return file.read(self.size)


Photo = EncodedPhoto | StoredPhoto


class DataSet(Protocol):
    """A data set with two labels or more.

    Attributes:
        name, version: of the data set.
        labels: of the classes. Of two, the second one is the positive class.
        total: photos in all splits.
        left_out: files that are not photos of the data set: name -> reason.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    total: int
    left_out: Mapping[str, str]

    @property
    def photos(self) -> Sequence[StoredPhoto]:
        """Of all splits, in stored order."""

    def bounds(self, split: Split) -> range:
        """The positions of the photos of a split in the stored order."""

    def identity(self) -> str:
        """Changes when the photos or their splits change. Moving or renaming the folder of the data set keeps it."""

    def table(self) -> str:
        """The photos per class and split, and what is left out; empty if the data set has no such table."""

    def too_few(self) -> str:
        """Why the photos do not suffice to train, and what to do; empty if they do."""


def open_data_set(data_dir: Path | None = None, positive_class: str | None = None) -> DataSet:
    """The data set in a folder, or TFDS `cats_vs_dogs`.

    Args:
        data_dir: see `train.folder`. None: TFDS `cats_vs_dogs` from `TFDS_DATA_DIR`, or from TFDS's default folder;
            TFDS downloads it on first use.
        positive_class: of two labels, the one whose probability the network answers; by default the second in
            alphabetical order.

    Raises:
        DataError: the folder cannot be used as a data set, has no such class, or has more than two.
    """
    data_set: DataSet = TfdsDataSet() if data_dir is None else FolderDataSet(data_dir, positive_class)
    if positive_class in (None, positive(data_set.labels)):
        return data_set
    if len(data_set.labels) > 2:
        raise DataError(
            f"--positive-class {positive_class}: {data_set.name} has {len(data_set.labels)} classes, each of which "
            "gets a probability; leave the flag out"
        )
    raise DataError(f"--positive-class {positive_class}: the classes of {data_set.name} are {list(data_set.labels)}")


def difference(found: Sequence[str], wanted: Sequence[str]) -> str:
    """What is missing of the wanted labels, and what is there beside them; empty if nothing is."""
    missing, others = (sorted(set(one) - set(other)) for one, other in ((wanted, found), (found, wanted)))
    parts = ((missing, "{} missing"), (others, "{} beside them"))
    return ", ".join(text.format(folder.named(labels)) for labels, text in parts if labels)


def positive(labels: Sequence[str]) -> str | None:
    """The positive class of two labels; None if there are more."""
    return labels[1] if len(labels) == 2 else None


class TfdsDataSet:
    """TFDS `cats_vs_dogs`."""

    def __init__(self) -> None:
        import tensorflow_datasets as tfds  # seconds, which a folder does without

        # TFDS itself reads TFDS_DATA_DIR only once, on its first import.
        self._builder = tfds.builder(DATASET, data_dir=os.environ.get("TFDS_DATA_DIR"), file_format="tfrecord")
        try:
            self._builder.download_and_prepare()
        except Exception as error:  # of the network, the disk or TFDS, which share no narrower class
            advice = "TFDS_DATA_DIR names a folder that has it, or where there is room for it"
            raise DataError(f"{DATASET} cannot be downloaded and prepared: {error}; {advice}") from error
        self.name, self.version = DATASET, str(self._builder.version)
        self.labels: tuple[str, ...] = tuple(self._builder.info.features["label"].names)
        self.total = int(self._builder.info.splits["train"].num_examples)
        self.left_out: Mapping[str, str] = {}

    def bounds(self, split: Split) -> range:
        """See `DataSet`."""
        start, stop = SPLITS[split]
        return range(self.total * start // 100, self.total * stop // 100)

    @functools.cached_property
    def photos(self) -> Sequence[StoredPhoto]:
        """See `DataSet`. Finds each photo in TFDS's files, 20,000 of them in two seconds."""
        from train import tfrecord  # imports TensorFlow, which a folder does without

        photos = [
            StoredPhoto("/".join(Path(found.filename).parts[-2:]), found.label, str(file), found.offset, found.size)
            for file in (Path(path).absolute() for path in self._builder.info.splits["train"].filepaths)
            for found in tfrecord.photos(file)
        ]
        if len(photos) != self.total:
            folder = self._builder.data_dir
            raise DataError(
                f"{folder}: {len(photos):,} of {self.total:,} photos are there; delete it to prepare it again"
            )
        return photos

    def identity(self) -> str:
        """See `DataSet`."""
        stored = self._builder.info.splits["train"]
        return digest(self.name, self.version, self.total, stored.num_bytes, *stored.shard_lengths)

    def table(self) -> str:
        """See `DataSet`."""
        return ""

    def too_few(self) -> str:
        """See `DataSet`."""
        return ""


class FolderDataSet:
    """A folder of class folders; see `train.folder`."""

    def __init__(self, root: Path, positive_class: str | None = None) -> None:
        root = root.resolve()
        self.name, self.version = folder.printable(root.name), FOLDER
        try:
            self.listing = folder.listing(root)
        except folder.FolderError as error:
            raise DataError(str(error)) from error
        self.labels = self.listing.labels
        self.left_out: Mapping[str, str] = self.listing.left_out
        if len(self.labels) == 2 and positive_class == self.labels[0]:
            self.labels = self.labels[::-1]
        numbers = {label: number for number, label in enumerate(self.labels)}
        self.photos: Sequence[StoredPhoto] = [
            StoredPhoto(folder.printable(file.name), numbers[file.label], f"{root}/{file.name}")
            for split in SPLITS
            for file in self.listing.splits[split]
        ]
        self.total = len(self.photos)

    def bounds(self, split: Split) -> range:
        """See `DataSet`."""
        start = 0
        for name, files in self.listing.splits.items():
            if name == split:
                return range(start, start + len(files))
            start += len(files)
        raise KeyError(split)

    def identity(self) -> str:
        """See `DataSet`."""
        splits = {split: [(file.name, file.digest) for file in files] for split, files in self.listing.splits.items()}
        return digest(self.labels, splits)

    def table(self) -> str:
        """See `DataSet`."""
        return self.listing.table()

    def too_few(self) -> str:
        """See `DataSet`."""
        return self.listing.too_few()


def read_split(data_set: DataSet, split: Split) -> Sequence[StoredPhoto]:
    """The photos of one split, in stored order."""
    bounds = data_set.bounds(split)
    return data_set.photos[bounds.start : bounds.stop]


def digest(*parts: object) -> str:
    """A short hash of JSON values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
