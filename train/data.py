"""Data sets of labeled photos, split once: TensorFlow Datasets' cats_vs_dogs, or a folder of class folders."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

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
    """One file of the data set, as stored."""

    name: str
    data: bytes
    label: int


class Source(Protocol):
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

    def bounds(self, split: Split) -> range:
        """The positions of the photos of a split in the stored order."""

    def read(self, positions: range) -> Iterator[EncodedPhoto]:
        """The files at these positions, undecoded, in stored order."""

    def identity(self) -> str:
        """Changes when the photos or their splits change; moving the data set to another folder keeps it."""

    def table(self) -> str:
        """The photos per class and split, and what is left out; empty if the data set has no such table."""

    def too_few(self) -> str:
        """Why the photos do not suffice to train, and what to do; empty if they do."""


def open_source(data_dir: Path | None = None, positive_class: str | None = None) -> Source:
    """The data set in a folder, or TFDS `cats_vs_dogs`.

    Args:
        data_dir: see `train.folder`. None: TFDS `cats_vs_dogs` from `TFDS_DATA_DIR`, or from TFDS's default folder;
            TFDS downloads it on first use.
        positive_class: of two labels, the one whose probability the network answers; by default the second in
            alphabetical order.

    Raises:
        DataError: the folder cannot be used as a data set, has no such class, or has more than two.
    """
    source: Source = TfdsSource() if data_dir is None else FolderSource(data_dir, positive_class)
    if positive_class in (None, positive(source.labels)):
        return source
    if len(source.labels) > 2:
        raise DataError(
            f"--positive-class {positive_class}: {source.name} has {len(source.labels)} classes, each of which gets a "
            "probability; leave the flag out"
        )
    raise DataError(f"--positive-class {positive_class}: the classes of {source.name} are {list(source.labels)}")


def positive(labels: Sequence[str]) -> str | None:
    """The positive class of two labels; None if there are more."""
    return labels[1] if len(labels) == 2 else None


class TfdsSource:
    """TFDS `cats_vs_dogs`."""

    def __init__(self) -> None:
        import tensorflow_datasets as tfds  # seconds, which a folder does without

        # TFDS itself reads TFDS_DATA_DIR only once, on its first import.
        self._builder = tfds.builder(DATASET, data_dir=os.environ.get("TFDS_DATA_DIR"))
        self._builder.download_and_prepare()
        self.name, self.version = DATASET, str(self._builder.version)
        self.labels: tuple[str, ...] = tuple(self._builder.info.features["label"].names)
        self.total = int(self._builder.info.splits["train"].num_examples)
        self.left_out: Mapping[str, str] = {}

    def bounds(self, split: Split) -> range:
        """See `Source`."""
        start, stop = SPLITS[split]
        return range(self.total * start // 100, self.total * stop // 100)

    def read(self, positions: range) -> Iterator[EncodedPhoto]:
        """See `Source`."""
        import tensorflow_datasets as tfds

        dataset: Any = self._builder.as_dataset(
            split="train",
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            shuffle_files=False,
        )
        for photo in dataset.skip(positions.start).take(len(positions)).as_numpy_iterator():
            name = "/".join(Path(photo["image/filename"].decode()).parts[-2:])
            yield EncodedPhoto(name, photo["image"], int(photo["label"]))

    def identity(self) -> str:
        """See `Source`."""
        stored = self._builder.info.splits["train"]
        return digest(self.name, self.version, self.total, stored.num_bytes, *stored.shard_lengths)

    def table(self) -> str:
        """See `Source`."""
        return ""

    def too_few(self) -> str:
        """See `Source`."""
        return ""


class FolderSource:
    """A folder of class folders; see `train.folder`."""

    def __init__(self, root: Path, positive_class: str | None = None) -> None:
        self.root = root.resolve()
        self.name, self.version = self.root.name, FOLDER
        try:
            self.listing = folder.listing(self.root)
        except folder.FolderError as error:
            raise DataError(str(error)) from error
        self.labels = self.listing.labels
        self.left_out: Mapping[str, str] = self.listing.left_out
        if len(self.labels) == 2 and positive_class == self.labels[0]:
            self.labels = self.labels[::-1]
        self._files = [file for split in SPLITS for file in self.listing.splits[split]]
        self.total = len(self._files)

    def bounds(self, split: Split) -> range:
        """See `Source`."""
        start = 0
        for name, files in self.listing.splits.items():
            if name == split:
                return range(start, start + len(files))
            start += len(files)
        raise KeyError(split)

    def read(self, positions: range) -> Iterator[EncodedPhoto]:
        """See `Source`."""
        for file in self._files[positions.start : positions.stop : positions.step]:
            yield EncodedPhoto(file.name, file.path.read_bytes(), self.labels.index(file.label))

    def identity(self) -> str:
        """See `Source`."""
        splits = {split: [(file.name, file.digest) for file in files] for split, files in self.listing.splits.items()}
        return digest(self.name, self.labels, splits)

    def table(self) -> str:
        """See `Source`."""
        return self.listing.table()

    def too_few(self) -> str:
        """See `Source`."""
        return self.listing.too_few()


def read_split(source: Source, split: Split) -> Iterator[EncodedPhoto]:
    """The files of one split, undecoded, in stored order."""
    return source.read(source.bounds(split))


def digest(*parts: object) -> str:
    """A short hash of JSON values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
