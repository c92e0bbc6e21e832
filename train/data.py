"""Labeled photos: from TensorFlow Datasets or from a folder of class folders, decoded once and split once.

Every photo goes through `serve.preprocess.decode`, so the network is trained on the very pixels that it will be served.
"""

import hashlib
import itertools
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_datasets as tfds
from tqdm import tqdm

from serve import preprocess
from serve.errors import ProblemError

Split = Literal["train", "validation", "test"]

DATASET: Final = "cats_vs_dogs"
SPLITS: Final[dict[Split, tuple[int, int]]] = {"train": (0, 80), "validation": (80, 90), "test": (90, 100)}
"""Where each split begins and ends, in percent of the photos in the order in which the data set is stored.

TFDS shuffles that order when it prepares the data, and `ImageFolder` when it lists the files, always alike; so
every run has the same splits."""

_CHUNK: Final = 256  # photos in flight while decoding


class DataError(ValueError):
    """The data cannot be used; the message says what to do."""


@dataclass(frozen=True)
class EncodedPhoto:
    """One file of the data set, as stored."""

    name: str
    data: bytes
    label: int


@dataclass(frozen=True)
class Photos:
    """Decoded photos of one split.

    Attributes:
        images: uint8 RGB pixels 0-255, (photos, size, size, 3); a read-only map of the cache file.
        labels: int64, (photos,): the index into the source's labels.
        names: of the files.
        skipped: names of the files of this split that could not be decoded, each with the reason.
    """

    images: preprocess.Pixels
    labels: npt.NDArray[np.int64]
    names: list[str]
    skipped: dict[str, str]

    def __len__(self) -> int:
        return len(self.labels)


class Source:
    """A data set with two labels; the second one, in alphabetical order, is the positive class.

    Args:
        data_dir: a folder of two class folders, or of `train/` with two class folders. None: TFDS `cats_vs_dogs`,
            which is downloaded on first use, and looked for in `TFDS_DATA_DIR` if that is set.

    Raises:
        DataError: there is no such folder, or it has not two class folders with photos in them.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        if data_dir is None:
            # TFDS reads TFDS_DATA_DIR too, but only when it is first imported.
            self._builder = tfds.builder(DATASET, data_dir=os.environ.get("TFDS_DATA_DIR"))
            self._builder.download_and_prepare()
            self.root = None
            self.name, self.version = DATASET, str(self._builder.version)
        else:
            self.root = data_dir.resolve()
            self._builder = tfds.ImageFolder(str(self._image_folder_root(self.root)))
            self.name, self.version = self.root.name, "folder"
        self.labels: tuple[str, ...] = tuple(self._builder.info.features["label"].names)
        if len(self.labels) != 2:
            raise DataError(f"{data_dir}: two class folders are needed, found {list(self.labels)}")
        self.total = int(self._builder.info.splits["train"].num_examples)

    def _image_folder_root(self, root: Path) -> Path:
        """`ImageFolder` wants root/split/label/photo; people have root/label/photo: link to that as a split."""
        if not root.is_dir():
            raise DataError(f"{root}: no such folder; --data-dir takes a folder with one sub-folder of photos a class")
        if (root / "train").is_dir():
            return root
        folder = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, folder)
        (folder / "train").symlink_to(root, target_is_directory=True)
        return folder

    def bounds(self, split: Split) -> range:
        """The positions of a split's photos in the stored order."""
        start, stop = SPLITS[split]
        return range(self.total * start // 100, self.total * stop // 100)

    def read(self, positions: range) -> Iterator[EncodedPhoto]:
        """The files at these positions, undecoded, in stored order."""
        dataset: Any = self._builder.as_dataset(
            split="train",
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            shuffle_files=False,
        )
        for photo in dataset.skip(positions.start).take(len(positions)).as_numpy_iterator():
            yield EncodedPhoto(self._relative(photo["image/filename"].decode()), photo["image"], int(photo["label"]))

    def read_split(self, split: Split) -> Iterator[EncodedPhoto]:
        """The files of one split, undecoded, in stored order."""
        return self.read(self.bounds(split))

    def _relative(self, name: str) -> str:
        return "/".join(Path(name).parts[-2:])

    def fingerprint(self, size: int) -> str:
        """Changes when the photos, the size or the way they are decoded change."""
        parts: list[object] = [self.name, self.version, self.total, size, Path(preprocess.__file__).read_text()]
        if self.root is None:
            parts.append(str(self._builder.data_dir))
        else:
            files = sorted(path for path in self.root.rglob("*") if path.is_file())
            parts += [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def load(source: Source, size: int, cache_dir: Path) -> dict[Split, Photos]:
    """All photos of a source at size x size, by split: decoded on first use, read from `cache_dir` ever after.

    Raises:
        DataError: a split has no photo of one of the classes.
    """
    folder = cache_dir / f"{source.name}-{size}-{source.fingerprint(size)}"
    if not folder.is_dir():
        _decode_all(source, size, folder)
    index = json.loads((folder / "index.json").read_text())
    images = np.load(folder / "images.npy", mmap_mode="r")
    position = np.array(index["positions"])
    photos: dict[Split, Photos] = {}
    for split in SPLITS:
        bounds = source.bounds(split)
        first, last = np.searchsorted(position, [bounds.start, bounds.stop])
        photos[split] = Photos(
            images=images[first:last],
            labels=np.array(index["labels"][first:last], np.int64),
            names=index["names"][first:last],
            skipped={name: why for at, name, why in index["skipped"] if at in bounds},
        )
        if set(photos[split].labels.tolist()) != {0, 1}:
            raise DataError(
                f"{source.name}: the {split} split ({len(photos[split])} photos) needs photos of both {source.labels}: "
                "add more"
            )
    return photos


def _decode_all(source: Source, size: int, folder: Path) -> None:
    """Write images.npy and index.json into `folder`, which appears only when both are whole."""
    index: dict[str, list[Any]] = {"positions": [], "labels": [], "names": [], "skipped": []}
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        with (partial / "pixels").open("wb") as pixels:
            for position, (photo, image) in enumerate(_decoded(source, size)):
                if isinstance(image, ProblemError):
                    index["skipped"].append((position, photo.name, image.detail))
                    continue
                pixels.write(image.tobytes())
                index["positions"].append(position)
                index["labels"].append(photo.label)
                index["names"].append(photo.name)
        _prepend_npy_header(partial / "pixels", (len(index["labels"]), size, size, 3), partial / "images.npy")
        (partial / "index.json").write_text(json.dumps(index))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for _, name, why in index["skipped"]:
        print(f"skipped {name}: {why}")
    if index["skipped"]:
        print(f"skipped {len(index['skipped'])} of {source.total} files in all")


def _decoded(source: Source, size: int) -> Iterator[tuple[EncodedPhoto, preprocess.Pixels | ProblemError]]:
    """All photos in stored order, decoded on every core, with a progress bar."""

    def decode(photo: EncodedPhoto) -> preprocess.Pixels | ProblemError:
        try:
            return preprocess.decode(photo.data, size, size)
        except ProblemError as problem:
            return problem

    photos = source.read(range(source.total))
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=source.total, desc="decode", unit="photo") as progress:
        while chunk := list(itertools.islice(photos, _CHUNK)):
            yield from zip(chunk, pool.map(decode, chunk), strict=True)
            progress.update(len(chunk))


def _prepend_npy_header(pixels: Path, shape: tuple[int, ...], target: Path) -> None:
    """How many photos there are is known only at the end; the header of the NumPy format comes first."""
    with target.open("wb") as file, pixels.open("rb") as body:
        np.lib.format.write_array_header_2_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        shutil.copyfileobj(body, file, 1 << 24)
    pixels.unlink()


def batches(photos: Photos, batch_size: int) -> tf.data.Dataset:
    """The photos in order, as (float32 pixels 0-255 (batch, size, size, 3), float32 labels (batch, 1))."""
    order = tf.data.Dataset.range(len(photos)).batch(batch_size)
    return order.map(lambda indices: _gather(photos, indices)).prefetch(2)


def training_batches(photos: Photos, batch_size: int, *, seed: int, first_epoch: int, epochs: int) -> tf.data.Dataset:
    """Shuffled, augmented batches for the epochs from `first_epoch` on, `steps_per_epoch` batches each.

    What a batch holds depends on the seed, the epoch and its place in it only: a run that was interrupted and goes on
    sees the batches that it would have seen.
    """
    steps = steps_per_epoch(photos, batch_size)

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(photos), dtype=tf.int64), seed=[seed, epoch])
        indices = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return tf.data.Dataset.zip((indices, tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps)))

    def make(indices: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = _gather(photos, indices)
        return augment(images, tf.stack([tf.cast(seed, tf.int64), step])), labels

    order = tf.data.Dataset.range(first_epoch, epochs, output_type=tf.int64).flat_map(epoch_batches)
    return order.map(make, num_parallel_calls=2, deterministic=True).prefetch(4)


def steps_per_epoch(photos: Photos, batch_size: int) -> int:
    """Batches in one pass over the photos, the last one perhaps smaller."""
    return -(-len(photos) // batch_size)


def _gather(photos: Photos, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    images = tf.numpy_function(lambda rows: photos.images[np.sort(rows)], [indices], tf.uint8, stateful=False)
    labels = tf.gather(tf.constant(photos.labels[:, None], tf.float32), tf.sort(indices))
    return tf.cast(tf.ensure_shape(images, (None, *photos.images.shape[1:])), tf.float32), labels


def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Crop, stretch, flip and recolor each photo of a batch at random.

    Crops keep 40% to all of the area, at 3:4 to 4:3 of the aspect; brightness, contrast and saturation change by up to
    30%, and one photo in ten loses its color. Labels survive all of it.

    Args:
        images: float32 0-255, (batch, height, width, 3).
        seed: int64, (2,): the same seed gives the same result.

    Returns:
        float32 0-255, of the same shape.
    """
    height, width = images.shape[1:3]
    batch = tf.shape(images)[0]
    seeds = iter(tf.unstack(tf.random.split(seed, 9)))

    def uniform(low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform([batch], next(seeds), low, high)

    area, aspect = uniform(0.4, 1.0), tf.exp(uniform(-0.2877, 0.2877))  # log(4/3)
    crop_height = tf.minimum(tf.sqrt(area / aspect), 1.0)
    crop_width = tf.minimum(tf.sqrt(area * aspect), 1.0)
    top, left = uniform(0.0, 1.0) * (1.0 - crop_height), uniform(0.0, 1.0) * (1.0 - crop_width)
    flip = uniform(0.0, 1.0) < 0.5
    right = left + crop_width
    # A box with its sides exchanged is cut out mirrored.
    boxes = tf.stack([top, tf.where(flip, right, left), top + crop_height, tf.where(flip, left, right)], axis=1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(batch), (height, width))

    def factor(strength: float) -> tf.Tensor:
        return uniform(1.0 - strength, 1.0 + strength)[:, None, None, None]

    images *= factor(0.3)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * factor(0.3)
    gray = tf.image.rgb_to_grayscale(images)
    colorful = tf.cast(uniform(0.0, 1.0) >= 0.1, tf.float32)[:, None, None, None]
    images = gray + (images - gray) * factor(0.3) * colorful
    return tf.clip_by_value(images, 0.0, 255.0)
