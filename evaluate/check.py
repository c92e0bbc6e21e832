"""python -m evaluate check: does a model file hold its acceptance criteria? Measured as served, from file bytes.

Writes what was measured to models/evaluation.json, for the model card, and fails if a bar is missed.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from tqdm import tqdm

from evaluate import metrics, uncertainty
from serve.errors import ProblemError
from serve.model.classifier import Classifier
from train import data, metadata

FILE: Final = "evaluation.json"

FALSE_ALARMS: Final = 0.02
"""The share of cat and dog photos that may be uncertain."""

BARS: Final[dict[str, tuple[str, float]]] = {
    "test accuracy": ("at least", 0.989),
    "test AUC": ("at least", 0.999),
    "test calibration error": ("at most", 0.01),
    "points lost to float32": ("at most", 0.1),
    "accuracy on photos from elsewhere": ("at least", 0.98),
    "false-alarm rate": ("at most", FALSE_ALARMS),
    "recall on out-of-distribution images": ("at least", 0.8),
}

Picture = Image.Image


def _noisy(picture: Picture, deviation: float) -> Picture:
    pixels = np.asarray(picture, np.float64)
    noise = np.random.default_rng(1).normal(0.0, deviation, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def _turned(picture: Picture, degrees: float) -> Picture:
    return picture.rotate(degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=(127, 127, 127))


def _small(picture: Picture, side: int) -> Picture:
    return picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3.0)


def _jpeg(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


SPOILED: Final[dict[str, Callable[[Picture], Picture]]] = {
    "blur, radius 1 pixel": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
    "blur, radius 2 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "noise, deviation 15 of 255": lambda picture: _noisy(picture, 15),
    "noise, deviation 30 of 255": lambda picture: _noisy(picture, 30),
    "darkness, 40% of the light": lambda picture: ImageEnhance.Brightness(picture).enhance(0.4),
    "darkness, 20% of the light": lambda picture: ImageEnhance.Brightness(picture).enhance(0.2),
    "no color": lambda picture: picture.convert("L"),
    "made 96 pixels wide": lambda picture: _small(picture, 96),
    "made 48 pixels wide": lambda picture: _small(picture, 48),
    "turned by 15 degrees": lambda picture: _turned(picture, 15),
    "turned by 90 degrees": lambda picture: _turned(picture, 90),
    "JPEG of quality 30": lambda picture: _jpeg(picture, 30),
    "JPEG of quality 10": lambda picture: _jpeg(picture, 10),
}
"""What is done to the photos of the test split, to see what the network makes of it."""


def _spoil(image: bytes, change: Callable[[Picture], Picture]) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(image)) as picture:
        change(picture.convert("RGB")).save(file, "PNG", compress_level=1)  # adds no loss of its own
    return file.getvalue()


def answers(classifier: Classifier, photos: Iterable[data.EncodedPhoto], total: int, name: str) -> dict[str, Any]:
    """What the classifier says of photos: `names`, `labels`, `probabilities`, `metrics`; without undecodable ones."""
    names: list[str] = []
    labels: list[int] = []
    probabilities: list[float] = []
    for photo in tqdm(photos, desc=name, total=total, unit="photo"):
        try:
            probability = classifier.classify(photo.data).probability
        except ProblemError as problem:
            print(f"skipped {photo.name}: {problem.detail}")
            continue
        names.append(photo.name)
        labels.append(photo.label)
        probabilities.append(round(probability, 6))
    return {
        "metrics": metrics.measure(labels, probabilities),
        "names": names,
        "labels": labels,
        "probabilities": probabilities,
    }


def uncertain(classifier: Classifier, test: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """How many photos are uncertain: of the test split, and of `files`, which show none of the labels.

    Where the file does not say how sure the network must be, what is allowed of the test split is taken for it.
    """
    sure = np.maximum(test["probabilities"], 1 - np.asarray(test["probabilities"]))
    below = classifier.description.confidence_threshold
    if below is None:
        below = float(np.quantile(sure, FALSE_ALARMS))
    flagged = {}
    for file in tqdm(files, desc="out-of-distribution images", unit="photo"):
        try:
            probability = classifier.classify(file.read_bytes()).probability
        except ProblemError as problem:
            print(f"skipped {file.name}: {problem.detail}")
            continue
        flagged[file.name] = max(probability, 1 - probability) < below
    return {
        "below": below,
        "answered": classifier.description.confidence_threshold is not None,
        "test": metrics.share(int((sure < below).sum()), len(sure)),
        "others": metrics.share(sum(flagged.values()), len(flagged)),
        "missed": [name for name, is_flagged in flagged.items() if not is_flagged],
    }


def robustness(classifier: Classifier, photos: Sequence[data.EncodedPhoto]) -> dict[str, Any]:
    """Metrics on the photos after each change of `SPOILED`."""
    results = {}
    for name, change in SPOILED.items():
        spoiled = (data.EncodedPhoto(photo.name, _spoil(photo.data, change), photo.label) for photo in photos)
        results[name] = answers(classifier, spoiled, len(photos), name)["metrics"]
    return results


def measured(evaluation: dict[str, Any], known: dict[str, Any]) -> dict[str, float]:
    """The figure for each bar; photos from elsewhere only where some were looked at."""
    test = evaluation["test"]["metrics"]
    compared = known["conversions"]["int8"]["runtimes"][evaluation["runtime"]]
    figures = {
        "test accuracy": test["accuracy"],
        "test AUC": test["auc"],
        "test calibration error": test["ece"],
        "points lost to float32": 100 * (compared["keras_accuracy"] - compared["accuracy"]),
    }
    if "elsewhere" in evaluation:
        figures["accuracy on photos from elsewhere"] = evaluation["elsewhere"]["metrics"]["accuracy"]
    figures["false-alarm rate"] = evaluation["uncertainty"]["test"]["share"]
    figures["recall on out-of-distribution images"] = evaluation["uncertainty"]["others"]["share"]
    return figures


def holds(name: str, figure: float) -> bool:
    """Whether a figure is within its bar, but for what rounding adds."""
    kind, bar = BARS[name]
    return figure >= bar - 1e-9 if kind == "at least" else figure <= bar + 1e-9


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m evaluate check",
        description="Run the shipped .tflite, through serve.Classifier, over the test split, the test split spoiled in "
        "several ways, and photos from elsewhere; say which bars hold. Exit status 1: one does not.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument("--model", type=Path, default=Path("models/cats_dogs.tflite"), help="the file to check")
    p.add_argument("--data-dir", type=Path, default=None, help="the folder it was trained on, in place of cats_vs_dogs")
    p.add_argument(
        "--photos", type=Path, default=None, help="photos from elsewhere: a folder with one sub-folder a class"
    )
    p.add_argument(
        "--out-of-distribution",
        type=Path,
        default=None,
        help="a folder of photos that show none of the labels, beside those that Python packages carry",
    )
    return p


def check(args: argparse.Namespace) -> int:
    """Measure, write and print; returns how many bars are missed."""
    classifier = Classifier(args.model)
    source = data.Source(args.data_dir)
    photos = list(source.read_split("test"))
    evaluation: dict[str, Any] = {
        "model_version": classifier.description.version,
        "runtime": classifier.runtime,
        "test": answers(classifier, photos, len(photos), "test split"),
    }
    if args.photos is not None:
        elsewhere = data.Source(args.photos)
        evaluation["elsewhere"] = answers(
            classifier, elsewhere.read(range(elsewhere.total)), elsewhere.total, "photos from elsewhere"
        )
    said = evaluation["test"]["labels"], evaluation["test"]["probabilities"]
    evaluation["test"]["intervals"] = {
        "auc": metrics.bootstrap_interval(metrics.auc, *said),
        "ece": metrics.bootstrap_interval(metrics.expected_calibration_error, *said),
    }
    others = [
        *uncertainty.in_packages(),
        *(uncertainty.in_folder(args.out_of_distribution) if args.out_of_distribution else ()),
    ]
    evaluation["uncertainty"] = uncertain(classifier, evaluation["test"], others)
    kept = set(evaluation["test"]["names"])
    evaluation["robustness"] = robustness(classifier, [photo for photo in photos if photo.name in kept])
    (args.model.parent / FILE).write_text(json.dumps(evaluation) + "\n")
    missed = 0
    for name, figure in measured(evaluation, metadata.read(args.model.parent)).items():
        kind, bar = BARS[name]
        print(f"{name}: {figure:.4f}, to be {kind} {bar}: {'holds' if holds(name, figure) else 'MISSED'}")
        missed += not holds(name, figure)
    return missed


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        return 1 if check(parser().parse_args(argv)) else 0
    except (data.DataError, FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
