"""Labeled photos: from TensorFlow Datasets or from a folder of class folders, decoded once and split once.

Every photo goes through `serve.model.preprocess.decode`, so the network trains on the pixels it will serve.
"""

import hashlib
import inspect
import itertools
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_datasets as tfds
from tqdm import tqdm

from serve.errors import ProblemError
from serve.model import preprocess
from train import duplicates

T = TypeVar("T")
Split = Literal["train", "validation", "test"]

DATASET: Final = "cats_vs_dogs"
SPLITS: Final[dict[Split, tuple[int, int]]] = {"train": (0, 80), "validation": (80, 90), "test": (90, 100)}
"""Where each split begins and ends, in percent of the photos in the order in which the data set is stored.

TFDS shuffles that order when it prepares the data, and `ImageFolder` when it lists the files, always alike; so
every run has the same splits."""

BACKGROUND: Final = 0.5
"""The label of a picture that shows no class: P(positive class) where nothing speaks for one or the other."""

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
        images: uint8 RGB pixels 0-255, (photos, height, width, 3); a read-only map of the cache file.
        labels: int64, (photos,): the index into the source's labels.
        names: of the files.
        skipped: names of the files of this split that are left out, each with the reason: they could not be decoded,
            or they are for training and show a picture that validation or test shows too.
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

    def fingerprint(self) -> str:
        """Changes when the photos or the way they are decoded change."""
        code = [inspect.getsource(module) for module in (preprocess, duplicates)]
        parts: list[object] = [self.name, self.version, self.total, *code]
        if self.root is None:
            parts.append(str(self._builder.data_dir))
        else:
            files = sorted(path for path in self.root.rglob("*") if path.is_file())
            parts += [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def load(source: Source, size: int, cache_dir: Path) -> dict[Split, Photos]:
    """All splits, for a network of this input size.

    Raises:
        DataError: a split has no photo of one of the classes.
    """
    return {split: load_split(source, split, size, cache_dir) for split in SPLITS}


def load_split(source: Source, split: Split, size: int, cache_dir: Path) -> Photos:
    """The photos of one split at size x size: decoded on first use, read from `cache_dir` ever after.

    Those of the training split are `serve.model.preprocess.MARGIN` times as high and wide: a crop of a
    photo of just that size would have to be enlarged, and softer than the pixels that are served.

    Raises:
        DataError: there is no photo of one of the classes.
    """
    folder = cache_dir / f"{source.name}-{split}-{size}-{source.fingerprint()}"
    if not folder.is_dir():
        _decode_all(source, split, size, folder)
    index = json.loads((folder / "index.json").read_text())
    photos = Photos(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=np.array(index["labels"], np.int64),
        names=index["names"],
        skipped=index["skipped"],
    )
    if set(photos.labels.tolist()) != {0, 1}:
        raise DataError(
            f"{source.name}: the {split} split ({len(photos)} photos) needs photos of both {source.labels}: add more"
        )
    return photos


def _decode_all(source: Source, split: Split, size: int, folder: Path) -> None:
    """Write images.npy and index.json into `folder`, which appears only when both are whole."""
    labels: list[int] = []
    names: list[str] = []
    skipped = _shown_elsewhere(source) if split == "train" else {}
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


def _decoded(
    source: Source, split: Split, size: int
) -> Iterator[tuple[EncodedPhoto, preprocess.Pixels | ProblemError]]:
    """The photos of a split in stored order, decoded."""
    decode = partial(preprocess.decode, height=size, width=size, with_margin=split == "train")
    return _on_all_cores(source, split, decode, f"decode {split}")


def _shown_elsewhere(source: Source) -> dict[str, str]:
    """The names of training photos whose picture validation or test shows too, each with the reason to leave it out."""
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
        names[True][one]: f"the same picture as {names[False][other]}, to test with" for one, other in found.items()
    }


def _on_all_cores(
    source: Source, split: Split, work: Callable[[bytes], T], title: str
) -> Iterator[tuple[EncodedPhoto, T | ProblemError]]:
    """The photos of a split in stored order, each with what comes of it, with a progress bar."""

    def done(photo: EncodedPhoto) -> T | ProblemError:
        try:
            return work(photo.data)
        except ProblemError as problem:
            return problem

    photos, total = source.read_split(split), len(source.bounds(split))
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=total, desc=title, unit="photo") as bar:
        while chunk := list(itertools.islice(photos, _CHUNK)):
            yield from zip(chunk, pool.map(done, chunk), strict=True)
            bar.update(len(chunk))


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


def training_batches(
    photos: Photos,
    batch_size: int,
    size: int,
    *,
    seed: int,
    first_epoch: int,
    epochs: int,
    backgrounds: preprocess.Pixels | None = None,
) -> tf.data.Dataset:
    """Shuffled, augmented batches of size x size for the epochs from `first_epoch` on, `steps_per_epoch` each.

    What a batch holds depends on the seed, the epoch and its place in it only: a run that was interrupted and goes on
    sees the batches that it would have seen.

    Args:
        photos: as high and wide as `load_split` gives them.
        batch_size: photos in a batch; the last one of an epoch may hold fewer.
        backgrounds: pictures of no class, as high and wide. One for each eight photos is added at the end of
            every batch, with the label `BACKGROUND`.
    """
    steps = steps_per_epoch(photos, batch_size)
    added = batch_size // 8

    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(photos), dtype=tf.int64), seed=[seed, epoch])
        indices = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return tf.data.Dataset.zip((indices, tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps)))

    def make(indices: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = _gather(photos, indices)
        batch_seed = tf.stack([tf.cast(seed, tf.int64), step])
        if backgrounds is not None and len(backgrounds) and added:
            rows = tf.random.stateless_uniform([added], batch_seed, maxval=len(backgrounds), dtype=tf.int64)
            images = tf.concat([images, _rows(backgrounds, rows)], axis=0)
            labels = tf.concat([labels, tf.fill([added, 1], BACKGROUND)], axis=0)
        return augment(images, size, batch_seed), labels

    order = tf.data.Dataset.range(first_epoch, epochs, output_type=tf.int64).flat_map(epoch_batches)
    return order.map(make, num_parallel_calls=2, deterministic=True).prefetch(4)


def steps_per_epoch(photos: Photos, batch_size: int) -> int:
    """Batches in one pass over the photos, the last one perhaps smaller."""
    return -(-len(photos) // batch_size)


def _gather(photos: Photos, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    indices = tf.sort(indices)  # the file is read from front to back
    return _rows(photos.images, indices), tf.gather(tf.constant(photos.labels[:, None], tf.float32), indices)


def _rows(images: preprocess.Pixels, indices: tf.Tensor) -> tf.Tensor:
    rows = tf.numpy_function(lambda rows: images[rows], [indices], tf.uint8, stateful=False)
    return tf.cast(tf.ensure_shape(rows, (None, *images.shape[1:])), tf.float32)


def augment(images: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Crop, stretch, flip, sharpen or soften, and recolor each photo of a batch at random. Labels survive all of it.

    Crops keep 35% of the area to a fifth more than all (with gray around), at 3:4 to 4:3 of the aspect. Sharpness
    goes from half to 2.2 times: that, more than anything else, differs from one camera and one resize to the next.
    Brightness, contrast and saturation change by up to 40%, the white balance by 10%; one photo in ten loses its color.

    Args:
        images: float32 0-255, (batch, height, width, 3).
        size: height and width of the result, in pixels.
        seed: int64, (2,): the same seed gives the same result.

    Returns:
        float32 0-255, (batch, size, size, 3).
    """
    batch = tf.shape(images)[0]
    seeds = iter(tf.unstack(tf.random.split(seed, 11)))

    def uniform(low: float, high: float, *shape: int) -> tf.Tensor:
        return tf.random.stateless_uniform([batch, *shape], next(seeds), low, high)

    def factor(strength: float, channels: int = 1) -> tf.Tensor:
        return uniform(1.0 - strength, 1.0 + strength, 1, 1, channels)

    area, aspect = uniform(0.35, 1.2), tf.exp(uniform(-0.2877, 0.2877))  # log(4/3)
    crop_height, crop_width = tf.sqrt(area / aspect), tf.sqrt(area * aspect)
    top, left = uniform(0.0, 1.0) * (1.0 - crop_height), uniform(0.0, 1.0) * (1.0 - crop_width)
    flip = uniform(0.0, 1.0) < 0.5
    right = left + crop_width
    # A box with its sides exchanged is cut out mirrored.
    boxes = tf.stack([top, tf.where(flip, right, left), top + crop_height, tf.where(flip, left, right)], axis=1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(batch), (size, size), extrapolation_value=127.5)
    soft = _soften(images)
    images = soft + (images - soft) * tf.exp(uniform(-0.7, 0.8, 1, 1, 1))
    images *= factor(0.4) * factor(0.1, 3)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    images = mean + (images - mean) * factor(0.4)
    gray = tf.image.rgb_to_grayscale(images)
    colorful = tf.cast(uniform(0.0, 1.0, 1, 1, 1) >= 0.1, tf.float32)
    images = gray + (images - gray) * factor(0.4) * colorful
    return tf.clip_by_value(images, 0.0, 255.0)


def _soften(images: tf.Tensor) -> tf.Tensor:
    """Each pixel averaged with its eight neighbors, itself weighing five times as much."""
    kernel = np.ones((3, 3, 3, 1), np.float32)
    kernel[1, 1] = 5
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "REFLECT")
    return tf.nn.depthwise_conv2d(padded, kernel / kernel[..., 0, 0].sum(), (1, 1, 1, 1), "VALID")
