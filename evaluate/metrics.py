"""Metrics of predictions, with their 95% intervals.

Probabilities are P(label 1), (photos,), of two labels, or P(label) for each of more, (photos, labels).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.metrics import log_loss as binary_log_loss

Probabilities = npt.NDArray[np.float64]


def measure(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> dict[str, Any]:
    """Accuracy, area under the ROC curve, log loss and calibration error.

    Args:
        labels: positions of the true labels, (photos,).
        probabilities: see above.

    Returns:
        `accuracy`, `accuracy_interval` (95%, Wilson), `auc`, `log_loss` (nats), `ece` (see `reliability`), `photos`,
        and, of two labels, `confusion`, as [true label][predicted label]: of 200 it would have 40,000 numbers.
    """
    truth = np.asarray(labels)
    given = np.asarray(probabilities, np.float64)
    predicted = top(given)[0]
    correct = int((predicted == truth).sum())
    return {
        "accuracy": correct / len(truth),
        "accuracy_interval": list(wilson_interval(correct, len(truth))),
        "auc": auc(truth, given),
        "log_loss": log_loss(truth, np.clip(given, 1e-7, 1 - 1e-7)),
        "ece": expected_calibration_error(truth, given),
        **({"confusion": confusion(truth, predicted, 2).tolist()} if given.ndim == 1 else {}),
        "photos": len(truth),
    }


def accuracy_drop(compared: dict[str, Any]) -> float:
    """The accuracy of the Keras model minus that of a converted file, in percentage points; see `convert.verify`."""
    return 100 * float(compared["keras_accuracy"] - compared["accuracy"])


def divergence(wanted: Probabilities, given: Probabilities) -> float:
    """The mean Kullback-Leibler divergence of probabilities from those that are wanted, in nats; 0 for the same."""
    some, others = (np.clip(_of_all(each), 1e-7, 1) for each in (wanted, given))
    return float((some * np.log(some / others)).sum(axis=1).mean())


def _of_all(probabilities: Probabilities) -> Probabilities:
    """P(label), (photos, labels), of two labels, too."""
    return probabilities if probabilities.ndim == 2 else np.stack([1 - probabilities, probabilities], axis=1)


def top(probabilities: Probabilities) -> tuple[npt.NDArray[np.int64], Probabilities]:
    """The predicted label of each photo, and its probability, the confidence: (photos,) and (photos,)."""
    if probabilities.ndim == 1:
        return (probabilities >= 0.5).astype(np.int64), np.maximum(probabilities, 1 - probabilities)
    return probabilities.argmax(axis=1), probabilities.max(axis=1)


def answered(answers: dict[str, Any]) -> tuple[npt.NDArray[np.int64], Probabilities]:
    """The same of the answers in `evaluation.json`; see `check.answers`."""
    if "probabilities" in answers:
        return top(np.asarray(answers["probabilities"]))
    return np.asarray(answers["predicted"]), np.asarray(answers["confidences"])


def confusion(labels: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """The number of photos by [true label][predicted label]."""
    return np.asarray(confusion_matrix(labels, predicted, labels=range(classes)))


def auc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The area under the ROC curve: how often a photo of label 1 gets a higher probability than one of label 0.

    Of more than two labels, the mean over each label against all others; labels without photos are left out.
    """
    truth, given = np.asarray(labels), np.asarray(probabilities)
    if given.ndim == 1:
        return float(roc_auc_score(truth, given))
    return float(np.mean([roc_auc_score(truth == label, given[:, label]) for label in np.unique(truth)]))


def log_loss(labels: npt.NDArray[np.int64], probabilities: Probabilities) -> float:
    """The mean negative logarithm of the true label's probability, which may not be 0; in nats."""
    if probabilities.ndim == 1:
        return float(binary_log_loss(labels, probabilities))
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


@dataclass(frozen=True)
class Bin:
    """Photos with similar probabilities: their number, their mean probability, and the observed share."""

    photos: int
    probability: float
    share: float


def reliability(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 15) -> list[Bin]:
    """Bins of predicted probability, each with the observed share; empty bins are left out.

    Of two labels: P(label 1), and the share of label 1. Of more: the confidence, and the share of right answers.

    Args:
        labels: positions of the true labels, (photos,).
        probabilities: of two labels or more.
        bins: of equal width, over 0-1.
    """
    truth, positive = np.asarray(labels), np.asarray(probabilities, np.float64)
    if positive.ndim == 2:
        predicted, positive = top(positive)
        truth = predicted == truth
    place = np.minimum((positive * bins).astype(int), bins - 1)
    chosen = [place == number for number in range(bins)]
    return [Bin(int(one.sum()), float(positive[one].mean()), float(truth[one].mean())) for one in chosen if one.any()]


def expected_calibration_error(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The mean distance between predicted probability and observed share (Naeini et al. 2015, 15 bins)."""
    bins = reliability(labels, probabilities)
    return sum(one.photos * abs(one.probability - one.share) for one in bins) / sum(one.photos for one in bins)


def of_each_label(labels: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> list[dict[str, Any]]:
    """For each label: `photos`, `recall`, `precision`, and `taken_for`, the wrong label that its photos most often get.

    None stands for the precision of a label that is never predicted, the recall of a label without photos, and
    `taken_for` where no photo got another label.
    """
    counts = confusion(labels, predicted, classes)
    photos, answers, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    wrong = counts - np.diag(right)
    return [
        {
            "photos": int(photos[label]),
            "recall": float(right[label] / photos[label]) if photos[label] else None,
            "precision": float(right[label] / answers[label]) if answers[label] else None,
            "taken_for": int(wrong[label].argmax()) if wrong[label].any() else None,
        }
        for label in range(classes)
    ]


def operating_point(labels: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float) -> dict[str, float | None]:
    """Precision and recall of two labels at a threshold. The precision of a label that is never predicted is None.

    Returns:
        `threshold`, `precision_positive`, `recall_positive`, `precision_negative`, `recall_negative`.
    """
    truth, chosen = np.asarray(labels) == 1, np.asarray(probabilities) >= threshold
    result: dict[str, float | None] = {"threshold": threshold}
    for name, actual, predicted in (("positive", truth, chosen), ("negative", ~truth, ~chosen)):
        both = int((actual & predicted).sum())
        result[f"precision_{name}"] = both / int(predicted.sum()) if predicted.any() else None
        result[f"recall_{name}"] = both / int(actual.sum())
    return result


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95% score interval of a proportion (Wilson 1927), which stays within [0, 1]."""
    p = successes / trials
    center = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return float(max(0.0, center - half)), float(min(1.0, center + half))


def share(successes: int, trials: int) -> dict[str, Any]:
    """A proportion: `share`, `interval` (95%, Wilson), `photos`."""
    return {"share": successes / trials, "interval": list(wilson_interval(successes, trials)), "photos": trials}


def bootstrap_interval(
    statistic: Callable[[npt.ArrayLike, npt.ArrayLike], float],
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    draws: int | None = None,
) -> tuple[float, float]:
    """The 95% interval of a figure within 0-1 that is not a proportion, by the basic bootstrap.

    Source: Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 5.2. A percentile interval
    would be biased: resampling increases the calibration error, and the basic bootstrap subtracts that. Resampling is
    stratified by label.

    Args:
        draws: by default 1,000 for two labels, and 200 for more: each draw then costs one AUC for each label.
    """
    truth, positive, random = np.asarray(labels), np.asarray(probabilities), np.random.default_rng(1)
    draws = draws or (1000 if positive.ndim == 1 else 200)
    of_each = [np.flatnonzero(truth == label) for label in np.unique(truth)]
    chosen = (np.concatenate([random.choice(places, len(places)) for places in of_each]) for _ in range(draws))
    low, high = np.quantile([statistic(truth[places], positive[places]) for places in chosen], (0.025, 0.975))
    found = statistic(truth, positive)
    # On few photos the corrected interval may lie beside the figure itself.
    return float(max(0.0, min(found, 2 * found - high))), float(min(1.0, max(found, 2 * found - low)))


def difference_interval(only_first: int, only_second: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95% interval of the difference of two accuracies on the same photos.

    Wald's, paired, with half a photo added to either and one to each of the other two counts (Agresti and Min 2005,
    Statistics in Medicine 24, 729-740): without that it has no width where no photo differs.

    Args:
        only_first, only_second: photos on which only this one is right.
        trials: all photos.
    """
    photos = trials + 2
    difference = (only_first - only_second) / photos
    half = z * np.sqrt((only_first + only_second + 1) / photos - difference**2) / np.sqrt(photos)
    return float(difference - half), float(difference + half)


def summary(name: str, result: dict[str, Any], labels: Sequence[str]) -> str:
    """The metrics in one line, and the confusion matrix of two labels in two more."""
    first = (
        f"{name}: accuracy {result['accuracy']:.2%}, AUC {result['auc']:.5f}, log loss {result['log_loss']:.4f} "
        f"on {result['photos']} photos"
    )
    counts = zip(labels, result.get("confusion", ()), strict=False)
    rows = (
        f"  true {label}: " + ", ".join(f"{count} as {answer}" for count, answer in zip(row, labels, strict=True))
        for label, row in counts
    )
    return "\n".join([first, *rows])
