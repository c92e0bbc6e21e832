"""What the cells of the notebook use: imports, settings, photos and their measurements, tables and pictures."""

import contextlib
import hashlib
import io
import itertools
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tensorflow_datasets as tfds
from IPython.display import Image as Picture
from IPython.display import Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import roc_auc_score, roc_curve

from convert import calibrate, quantize
from evaluate import card, check, criteria, gallery, metrics, names, plots, report, saliency, style, uncertainty
from notebooks.networks import EXPLAINED, confusions, form, milliseconds, step, trained
from serve.errors import ProblemError
from serve.model import model_file
from serve.model.classifier import Classifier, Prediction
from train import augment, data, duplicates, metadata, models
from train.folder import Split
from train.pixels import Pixels, decode

# The settings; the end of the notebook says what they mean.
MODELS: Final = Path(os.environ.get("NOTEBOOK_MODELS", "models"))
DATA_DIR: Final = Path(os.environ["NOTEBOOK_DATA_DIR"]) if "NOTEBOOK_DATA_DIR" in os.environ else None
EXTERNAL: Final = Path(os.environ["NOTEBOOK_EXTERNAL"]) if "NOTEBOOK_EXTERNAL" in os.environ else None
PHOTOS: Final = int(os.environ.get("NOTEBOOK_PHOTOS", "0"))

Numbers = npt.NDArray[np.float64]
Way = Callable[[bytes], Pixels]
"""A way to make the network's input of a photo's file."""


def prepare() -> None:
    """One look for all plots, and no progress bars or logs among the outputs."""
    mpl.rc_file(style.FILE)
    tfds.disable_progress_bar()
    tf.get_logger().setLevel("ERROR")


def measured(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What a model's files know of it: metadata.json, evaluation.json, and for each network its epochs."""
    known, evaluation = report.measured(folder)
    histories = {
        name: json.loads((folder / "history" / f"{name}.json").read_text()) for name in sorted(known["models"])
    }
    return known, evaluation, histories


# ---- Text and pictures ----------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Show Markdown."""
    display(Markdown(text))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Show a table; the first column is text, the others are figures."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    say("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def show(figure: Figure, alt: str) -> None:
    """Show a plot half as wide as its pixels."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    display(Picture(file.getvalue(), format="png", alt=alt, width=round(100 * figure.get_figwidth())))


def show_photos(figure: Figure, alt: str) -> None:
    """Show photos as JPEG, which takes a fifth of the bytes of PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=gallery.DPI, pil_kwargs={"quality": 82})
    display(Picture(file.getvalue(), format="jpeg", alt=alt))


def plot(height: float, rows: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """A figure with plots one above the other; `height` in inches, of one."""
    figure = style.blank(rows * height)
    return figure, list(figure.subplots(rows, 1, squeeze=False)[:, 0])


def photos_of(count: int) -> str:
    """How many photos, in words that fit one and many."""
    return f"{count:,} photo" + ("s" if count != 1 else "")


def points(difference: float) -> str:
    """A difference in percentage points, without a sign; nothing is 0.00, never -0.00."""
    return f"{abs(round(difference, 2)):.2f} points"


def compared(difference: float, more: str, less: str, same: str) -> str:
    """A difference in percentage points, such as "0.10 points above"."""
    rounded = round(difference, 2)
    return f"{points(difference)} {more if rounded > 0 else less}" if rounded else same


# ---- Photos ---------------------------------------------------------------------------------------------------------


Photo = data.StoredPhoto


@dataclass(frozen=True)
class Seen:
    """One photo of the data, and its measurements; `brightness` is the mean of all pixels and channels, 0-255."""

    photo: Photo
    split: Split
    width: int
    height: int
    brightness: float
    hash: duplicates.Hash


def read(data_set: data.DataSet) -> tuple[list[Seen], list[str]]:
    """The photos of the data set, or of a slice of each split; and what cannot be decoded, with the reasons."""
    seen: list[Seen] = []
    undecodable: list[str] = []
    for split in data.SPLITS:
        whole = len(data_set.bounds(split))
        for photo in itertools.islice(
            data.read_split(data_set, split), PHOTOS * whole // data_set.total if PHOTOS else whole
        ):
            try:
                seen.append(_look(photo, split))
            except ProblemError as problem:
                undecodable.append(f"{photo.name}: {problem.detail}")
    return seen, undecodable


def _look(photo: Photo, split: Split) -> Seen:
    brightness = decode(photo.data, 32, 32).mean()
    return Seen(photo, split, *_size(photo), float(brightness), duplicates.difference_hash(photo.data))


def _size(photo: Photo) -> tuple[int, int]:
    """Width and height."""
    with Image.open(io.BytesIO(photo.data)) as picture:
        return picture.size


def external_photos(folder: Path | None, positive: str) -> list[Photo]:
    """The external test set, or a slice of it; empty without a folder."""
    if folder is None:
        return []
    data_set = data.open_data_set(folder, positive)
    photos = [photo for split in data.SPLITS for photo in data.read_split(data_set, split)]
    return list(photos[:: max(1, len(photos) // PHOTOS)] if PHOTOS else photos)


def sizes_of(photos: Sequence[Photo]) -> npt.NDArray[np.int64]:
    """Width and height of each, (photos, 2)."""
    return np.array([_size(photo) for photo in photos])


def described(name: str, sizes: npt.NDArray[np.int64]) -> str:
    """One sentence about sizes and shapes."""
    if len(np.unique(sizes, axis=0)) == 1:
        width, height = sizes[0]
        return f"- {name}: all {photos_of(len(sizes))} are {width} x {height} pixels."
    (low_w, low_h), (high_w, high_h) = sizes.min(axis=0), sizes.max(axis=0)
    wide, tall = (sizes[:, 0] > sizes[:, 1]).mean(), (sizes[:, 0] < sizes[:, 1]).mean()
    return (
        f"- {name}: {photos_of(len(sizes))}, {low_w} to {high_w} pixels wide (median {np.median(sizes[:, 0]):.0f}) and "
        f"{low_h} to {high_h} high (median {np.median(sizes[:, 1]):.0f}); {wide:.0%} wider than high, {tall:.0%} "
        "higher than wide, the rest square."
    )


def thumbnails(chosen: Iterable[Seen]) -> list[Image.Image]:
    """Their pictures, small."""
    return [gallery.thumbnail(one.photo.data) for one in chosen]


# ---- Answers --------------------------------------------------------------------------------------------------------


def probability(classifier: Classifier, pixels: Pixels | bytes) -> float:
    """P(positive class) of decoded pixels."""
    positive = classifier.description.labels.index(classifier.description.positive_class or "")
    return classifier.probabilities(pixels if isinstance(pixels, bytes) else pixels.tobytes())[positive]


def worded(answer: Prediction, positive: str) -> str:
    """An answer below its photo."""
    return f"{'uncertain' if answer.uncertain else answer.label}\nP({positive}) {answer.probability:.3f}"


def decoded(photos: Sequence[Seen], size: int) -> Pixels:
    """As the network takes them, (photos, size, size, 3)."""
    return np.stack([decode(one.photo.data, size, size) for one in photos])


def ways(height: int, width: int) -> dict[str, Way]:
    """The project's preprocessing, and two usual ones."""

    def ours(image: bytes) -> Pixels:
        return decode(image, height, width)

    def nearest(image: bytes) -> Pixels:
        with Image.open(io.BytesIO(image)) as picture:
            return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.NEAREST))

    def center_crop(image: bytes) -> Pixels:
        with Image.open(io.BytesIO(image)) as picture:
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            square = picture.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(square.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))

    return {"ours": ours, "NEAREST": nearest, "center crop": center_crop}


def of_keras(network: keras.Model, images: Pixels) -> Numbers:
    """P(positive class) of decoded photos, (photos,)."""
    return np.asarray(network.predict(images.astype(np.float32), verbose=0), np.float64)[:, 0]


def heat_map(classifier: Classifier, pixels: Pixels, stride: int) -> Numbers:
    """The evidence for the positive class, (height, width)."""
    patch = max(2, pixels.shape[1] // 5)
    return saliency.occlusion(lambda covered: probability(classifier, covered), pixels, patch, stride)


def maps(pictures: Sequence[Pixels], heats: Sequence[Numbers], titles: Sequence[str], title: str) -> Figure:
    """Photos above, their occlusion maps below; each map is scaled to its strongest place."""
    figure = Figure(figsize=(max(4.6, 1.55 * len(pictures)), 3.7), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(2, len(pictures), squeeze=False).T
    for (above, below), pixels, heat, text in zip(panels, pictures, heats, titles, strict=True):
        strongest = np.abs(heat).max() or 1.0
        above.imshow(pixels)
        above.set_title(text, fontsize=8)
        below.imshow(pixels.mean(axis=2), cmap="gray")
        below.imshow(heat, cmap="RdBu_r", alpha=0.6, vmin=-strongest, vmax=strongest)
        above.set_axis_off()
        below.set_axis_off()
    return figure
