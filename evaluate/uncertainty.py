"""How often answers are uncertain: on photos of the classes (false alarms), and on other images (recall)."""

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from evaluate import metrics
from evaluate.criteria import MAX_FALSE_ALARM_RATE
from serve.errors import ProblemError
from serve.model import formats
from serve.model.classifier import Classifier, Prediction
from train.folder import printable

_IN_PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "skimage": tuple(
        f"data/{name}"
        for name in (
            "astronaut.png", "brick.png", "camera.png", "cell.png", "chessboard_GRAY.png", "chessboard_RGB.png",
            "clock_motion.png", "coffee.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png",
            "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png", "moon.png", "motorcycle_left.png", "page.png",
            "phantom.png", "retina.jpg", "rocket.jpg", "text.png",
        )
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}  # fmt: skip


def in_packages(labels: Sequence[str] = ()) -> list[Path]:
    """The sample images of scikit-image, scikit-learn and Matplotlib, if installed, without the cat.

    An image whose name says that it shows one of the labels is left out.
    """
    found = []
    for package, files in _IN_PACKAGES.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            found += [Path(folder) / file for file in files]
    own = {word for label in labels for word in _words(label)}
    return [file for file in found if file.is_file() and own.isdisjoint(_words(file.stem))]


def _words(name: str) -> set[str]:
    """The words of a name, without the endings of plurals."""
    return {re.sub("(?<=ss|sh|ch|.x)es$|(?<!s)s$", "", word) for word in re.split(r"[\W_]+", name.casefold()) if word}


def in_folder(folder: Path) -> list[Path]:
    """All files of a format that is served in a folder and its sub-folders, whatever their names.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    found = [file for file in files if _is_image(file)]
    if not found:
        raise FileNotFoundError(f"{folder}: no images; --out-of-distribution takes a folder of photos")
    if others := len(files) - len(found):
        print(f"left out {others:,} files of {folder}: not images of a supported format")
    return found


def _is_image(file: Path) -> bool:
    with file.open("rb") as content:
        return formats.sniff(content.read(formats.HEADER_BYTES)) is not None


def measure(classifier: Classifier, test: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """The false-alarm rate on the test split, and the recall of out-of-distribution images.

    Args:
        classifier: of the model file. If it has no confidence threshold, the one that gives the largest allowed
            false-alarm rate on the test split is assumed.
        test: the answers for the test split; see `check.answers`.
        files: out-of-distribution images; undecodable ones are left out.

    Returns:
        `threshold`, `in_answers` (whether the file has it), `false_alarms` and `recall` (see `metrics.share`), and
        `missed`, the names of the images that are not uncertain.
    """
    confidences = metrics.answered(test)[1]
    threshold = classifier.description.confidence_threshold
    in_answers = threshold is not None
    if threshold is None:
        threshold = assumed_threshold(confidences)
    found = [(printable(file.name), confidence < threshold) for file, confidence in _confidences(classifier, files)]
    return {
        "threshold": threshold,
        "in_answers": in_answers,
        "false_alarms": metrics.share(int((confidences < threshold).sum()), len(confidences)),
        "recall": metrics.share(sum(is_uncertain for _, is_uncertain in found), len(found)),
        "missed": [name for name, is_uncertain in found if not is_uncertain],
    }


def assumed_threshold(confidences: metrics.Probabilities) -> float:
    """The confidence threshold that has the largest allowed share of these confidences, (photos,), below it."""
    return float(np.sort(confidences)[int(MAX_FALSE_ALARM_RATE * len(confidences))])


def _confidences(classifier: Classifier, files: Sequence[Path]) -> list[tuple[Path, float]]:
    confidences = []
    for file in tqdm(files, desc="out-of-distribution images", unit="photo"):
        try:
            prediction = classifier.classify(file.read_bytes())
        except ProblemError as problem:
            print(f"skipped {printable(file.name)}: {problem.detail}")
            continue
        confidences.append((file, _confidence(prediction)))
    return confidences


def _confidence(prediction: Prediction) -> float:
    """The probability of the predicted label."""
    probability = prediction.probability
    return max(probability, 1 - probability) if prediction.probabilities is None else probability
