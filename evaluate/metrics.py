"""Metrics of binary predictions, with their 95% intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, log_loss, roc_auc_score

Probabilities = npt.NDArray[np.float64]


def measure(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> dict[str, Any]:
    """Accuracy at 1/2, area under the ROC curve, log loss and confusion matrix of P(positive class).

    Args:
        labels: 0 or 1, (photos,).
        probabilities: P(label 1), (photos,).

    Returns:
        `accuracy`, `accuracy_interval` (95%, Wilson), `auc`, `log_loss` (nats), `ece` (see `reliability`), `photos`,
        and `confusion`, as [true label][predicted label].
    """
    truth = np.asarray(labels)
    positive = np.asarray(probabilities, np.float64)
    predicted = (positive >= 0.5).astype(int)
    correct = int((predicted == truth).sum())
    return {
        "accuracy": correct / len(truth),
        "accuracy_interval": list(wilson_interval(correct, len(truth))),
        "auc": auc(truth, positive),
        "log_loss": float(log_loss(truth, np.clip(positive, 1e-7, 1 - 1e-7))),
        "ece": expected_calibration_error(truth, positive),
        "confusion": confusion_matrix(truth, predicted, labels=[0, 1]).tolist(),
        "photos": len(truth),
    }


def auc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The area under the ROC curve: how often a photo of label 1 gets a higher probability than one of label 0."""
    return float(roc_auc_score(labels, probabilities))


@dataclass(frozen=True)
class Bin:
    """Photos with similar probabilities: their number, their mean probability, and the share of label 1."""

    photos: int
    probability: float
    share: float


def reliability(labels: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 15) -> list[Bin]:
    """Bins of predicted probability, each with the observed share of label 1; empty bins are left out.

    Args:
        labels: 0 or 1, (photos,).
        probabilities: P(label 1), (photos,).
        bins: of equal width, over 0-1.
    """
    truth, positive = np.asarray(labels), np.asarray(probabilities, np.float64)
    place = np.minimum((positive * bins).astype(int), bins - 1)
    chosen = [place == number for number in range(bins)]
    return [Bin(int(one.sum()), float(positive[one].mean()), float(truth[one].mean())) for one in chosen if one.any()]


def expected_calibration_error(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """The mean distance between predicted probability and observed share (Naeini et al. 2015, 15 bins)."""
    bins = reliability(labels, probabilities)
    return sum(one.photos * abs(one.probability - one.share) for one in bins) / sum(one.photos for one in bins)


def operating_point(labels: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float) -> dict[str, float]:
    """Precision and recall of both labels at a threshold. The precision of a label that is never predicted is 1.

    Returns:
        `threshold`, `precision_positive`, `recall_positive`, `precision_negative`, `recall_negative`.
    """
    truth, chosen = np.asarray(labels) == 1, np.asarray(probabilities) >= threshold
    result = {"threshold": threshold}
    for name, actual, predicted in (("positive", truth, chosen), ("negative", ~truth, ~chosen)):
        both = int((actual & predicted).sum())
        result[f"precision_{name}"] = both / int(predicted.sum()) if predicted.any() else 1.0
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
    draws: int = 1000,
) -> tuple[float, float]:
    """The 95% interval of a figure within 0-1 that is not a proportion, by the basic bootstrap.

    Source: Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 5.2. A percentile interval
    would be biased: resampling increases the calibration error, and the basic bootstrap subtracts that. Resampling is
    stratified by label.
    """
    truth, positive, random = np.asarray(labels), np.asarray(probabilities), np.random.default_rng(1)
    of_each = [np.flatnonzero(truth == label) for label in (0, 1)]
    chosen = (np.concatenate([random.choice(places, len(places)) for places in of_each]) for _ in range(draws))
    low, high = np.quantile([statistic(truth[places], positive[places]) for places in chosen], (0.025, 0.975))
    twice = 2 * statistic(truth, positive)
    return float(max(0.0, twice - high)), float(min(1.0, twice - low))


def difference_interval(only_first: int, only_second: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95% interval of the difference of two accuracies on the same photos (Wald, paired).

    Args:
        only_first, only_second: photos on which only this one is right.
        trials: all photos.
    """
    difference = (only_first - only_second) / trials
    half = z * np.sqrt((only_first + only_second) / trials - difference**2) / np.sqrt(trials)
    return float(difference - half), float(difference + half)


def summary(name: str, result: dict[str, Any], labels: Sequence[str]) -> str:
    """The metrics in three lines."""
    confusion = np.asarray(result["confusion"])
    first = (
        f"{name}: accuracy {result['accuracy']:.2%}, AUC {result['auc']:.5f}, log loss {result['log_loss']:.4f} "
        f"on {result['photos']} photos"
    )
    lines = [first]
    for i, label in enumerate(labels):
        lines.append(f"  true {label}: " + ", ".join(f"{confusion[i, j]} as {labels[j]}" for j in range(2)))
    return "\n".join(lines)
