"""Measures a model file as it is served, from file bytes, and compares the figures with the acceptance criteria."""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from evaluate import criteria, metrics, uncertainty
from evaluate.corruptions import CORRUPTIONS, corrupted
from serve.errors import ProblemError
from serve.model.classifier import Classifier
from train import data, metadata

FILE: Final = "evaluation.json"
SHIPPED: Final = Path("models")

_NOT_JUDGED: Final = {
    "external accuracy": "without --photos FOLDER",
    "false-alarm rate": "as the file has no confidence threshold",
    "out-of-distribution recall": "without --out-of-distribution FOLDER and a confidence threshold in the file",
}
"""Why a figure may be missing."""


def check(args: argparse.Namespace) -> int:
    """Measure, write `evaluation.json` beside the model, and print; returns the number of criteria that fail.

    Raises:
        data.DataError: the data cannot be used, or is not that of the network.
        FileNotFoundError: there is no model, no criteria file, or no out-of-distribution image in the folder.
        ValueError: the criteria file cannot be used.
    """
    known = metadata.read(args.model.parent)
    file = args.criteria or criteria_file(args.model.parent, known)
    required = criteria.load(file) if file else None
    evaluation = evaluate(args, known)
    if required is None:
        rate = known["conversions"]["int8"].get("max_false_alarm_rate", criteria.MAX_FALSE_ALARM_RATE)
        required = criteria.defaults(evaluation["test"]["metrics"]["photos"], rate)
    evaluation["criteria"] = criteria.packed(required)
    (args.model.parent / FILE).write_text(json.dumps(evaluation) + "\n")
    failed = _verdict(evaluation, known)
    if failed:
        own = args.model.parent / criteria.FILE
        print(f"{failed} failed: train on more photos, or write bounds of your own to {own}")
    return failed


def criteria_file(folder: Path, known: dict[str, Any], shipped: Path = SHIPPED) -> Path | None:
    """The criteria beside a model, or those of the shipped model if it was trained on the same photos.

    Args:
        folder: of the model.
        known: the content of its metadata.json.
        shipped: the folder of the shipped model.
    """
    candidates = [folder]
    if metadata.read(shipped).get("data", {}).get("identity") == known.get("data", {}).get("identity"):
        candidates.append(shipped)
    return next((place / criteria.FILE for place in candidates if (place / criteria.FILE).is_file()), None)


def _verdict(evaluation: dict[str, Any], known: dict[str, Any]) -> int:
    required, photos = criteria.of(evaluation), _photos(evaluation)
    figures = criteria.measured(evaluation, known)
    failed = 0
    for name, criterion in required.items():
        if name not in figures:
            print(f"{name}: not judged {_NOT_JUDGED[name]}")
            continue
        figure = figures[name]
        note = criteria.resolution(name, criterion, photos[name])
        verdict = "holds" if criterion.holds(figure) else "FAILS"
        print(f"{name}: {figure:.4f}, {criterion.kind} {criterion.bound:g}: {verdict}{note}")
        failed += not criterion.holds(figure)
    return failed


def _photos(evaluation: dict[str, Any]) -> dict[str, int]:
    """The number of photos that each figure was measured on."""
    photos = dict.fromkeys(criteria.NAMES, evaluation["test"]["metrics"]["photos"])
    photos["out-of-distribution recall"] = evaluation["uncertainty"]["recall"]["photos"]
    if "external" in evaluation:
        photos["external accuracy"] = evaluation["external"]["metrics"]["photos"]
    return photos


def evaluate(args: argparse.Namespace, known: dict[str, Any]) -> dict[str, Any]:
    """All figures, as `evaluation.json` holds them."""
    classifier = Classifier(args.model)
    data_set = metadata.data_set_of(known, args.data_dir)
    _check_version(classifier, known)
    external = None if args.photos is None else _external(classifier, args.photos, data_set)
    photos = data.read_split(data_set, "test")
    test = answers(classifier, photos, len(photos), "test split", with_intervals=True)
    evaluation: dict[str, Any] = {
        "model_version": classifier.description.version,
        "runtime": classifier.runtime,
        "test": test,
    }
    if external is not None:
        evaluation["external"] = answers(classifier, external.photos, external.total, "external test set")
    files = uncertainty.in_packages(classifier.description.labels)
    of_folder = [] if args.out_of_distribution is None else uncertainty.in_folder(args.out_of_distribution)
    measured = uncertainty.measure(classifier, test, files + of_folder)
    evaluation["uncertainty"] = {**measured, "from_folder": len(of_folder)}
    decodable = set(test["names"])
    evaluation["corruptions"] = under_corruptions(classifier, [photo for photo in photos if photo.name in decodable])
    return evaluation


def _check_version(classifier: Classifier, known: dict[str, Any]) -> None:
    versions = {mode: one["version"] for mode, one in known.get("conversions", {}).items()}
    version = classifier.description.version
    if version == versions.get("int8"):
        return
    if version in versions.values():
        raise data.DataError("the file is not the int8 one; check that: the others answer as the network does")
    raise data.DataError(
        f"{metadata.FILE} has the figures of version {versions.get('int8')}, the file is version {version}; convert "
        "the network again"
    )


def answers(
    classifier: Classifier,
    photos: Iterable[data.Photo],
    total: int,
    title: str,
    *,
    with_intervals: bool = False,
) -> dict[str, Any]:
    """The answers for photos, without undecodable ones, and their metrics.

    Returns:
        `metrics`, `names`, `labels`, and, of two labels, `probabilities`; of more, `predicted` and `confidences`: all
        probabilities of 200 labels would be megabytes. `intervals` of AUC and calibration error on request.
    """
    names: list[str] = []
    labels: list[int] = []
    found: list[list[float]] = []
    for photo in tqdm(photos, desc=title, total=total, unit="photo"):
        try:
            prediction = classifier.classify(photo.data)
        except ProblemError as problem:
            print(f"skipped {photo.name}: {problem.detail}")
            continue
        names.append(photo.name)
        labels.append(photo.label)
        of_all = prediction.probabilities or {prediction.label: prediction.probability}
        found.append([round(probability, 6) for probability in of_all.values()])
    for number, label in enumerate(classifier.description.labels):
        if number not in labels:
            raise data.DataError(f"{title}: no photo of {label} can be decoded")
    probabilities = np.array(found)
    if probabilities.shape[1] == 1:
        probabilities = probabilities[:, 0]
    intervals = {"intervals": _intervals(labels, probabilities)} if with_intervals else {}
    measured = metrics.measure(labels, probabilities)
    return {"metrics": measured, "names": names, "labels": labels, **_kept(probabilities), **intervals}


def _kept(probabilities: metrics.Probabilities) -> dict[str, Any]:
    if probabilities.ndim == 1:
        return {"probabilities": probabilities.tolist()}
    predicted, confidences = metrics.top(probabilities)
    return {"predicted": predicted.tolist(), "confidences": confidences.tolist()}


def _external(classifier: Classifier, folder: Path, known: data.DataSet) -> data.DataSet:
    """The external test set in a folder, if it fits the model."""
    data_set = data.open_data_set(folder)
    if difference := data.difference(data_set.labels, classifier.description.labels):
        raise data.DataError(f"{folder}: its classes are not the model's: {difference}")
    data_set = data.open_data_set(folder, classifier.description.positive_class)
    for name, reason in data_set.left_out.items():
        print(f"left out {name}: {reason}")
    if common := _digests(data_set) & _digests(known):
        raise data.DataError(
            f"{folder}: {len(common):,} of its photos are in {known.name}, which the network was made from; name "
            "photos from elsewhere"
        )
    return data_set


def _digests(data_set: data.DataSet) -> set[str]:
    """Of all photos of a folder; TFDS's are not known."""
    if not isinstance(data_set, data.FolderDataSet):
        return set()
    return {file.digest for files in data_set.listing.splits.values() for file in files}


def under_corruptions(classifier: Classifier, photos: Sequence[data.Photo]) -> dict[str, Any]:
    """Metrics on the photos after each corruption."""
    results = {}
    for name, corruption in CORRUPTIONS.items():
        changed = (data.EncodedPhoto(photo.name, corrupted(photo.data, corruption), photo.label) for photo in photos)
        results[name] = answers(classifier, changed, len(photos), name)["metrics"]
    return results


def _intervals(labels: list[int], probabilities: metrics.Probabilities) -> dict[str, tuple[float, float]]:
    return {
        "auc": metrics.bootstrap_interval(metrics.auc, labels, probabilities),
        "ece": metrics.bootstrap_interval(metrics.expected_calibration_error, labels, probabilities),
    }
