"""The plots of the model card."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import roc_curve

from evaluate import metrics
from train import data

MISTAKES: Final = 12
_THUMBNAIL: Final = 96  # pixels


def _axes(width: float = 4.2, height: float = 4.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def roc(test: dict[str, Any], positive: str) -> Figure:
    """The upper left corner of the ROC curve; the rest is empty."""
    figure, axes = _axes()
    false_positives, true_positives, _ = roc_curve(test["labels"], test["probabilities"])
    axes.plot(100 * false_positives, 100 * true_positives)
    axes.set(
        xlim=(-0.3, 10), ylim=(90, 100.3), title=f"ROC, upper left corner; AUC {test['metrics']['auc']:.4f}",
        xlabel="false positive rate, %", ylabel=f"true positive rate ({positive}), %",
    )  # fmt: skip
    axes.grid(alpha=0.3)
    return figure


def reliability(test: dict[str, Any], positive: str) -> Figure:
    """Predicted probability and observed share, by bin. Larger dots are more photos."""
    figure, axes = _axes()
    bins = metrics.reliability(test["labels"], test["probabilities"])
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1)
    predicted, observed = [one.probability for one in bins], [one.share for one in bins]
    axes.scatter(predicted, observed, s=[12 + 60 * np.log10(one.photos) for one in bins], alpha=0.7)
    for one in bins:
        axes.annotate(f"{one.photos:,}", (one.probability, one.share), xytext=(7, -12), textcoords="offset points")
    error = test["metrics"]["ece"]
    axes.set(
        title=f"Reliability; calibration error {error:.4f}", xlabel=f"P({positive}), mean of the bin",
        ylabel=f"share of {positive} photos",
    )  # fmt: skip
    return figure


def confusion(test: dict[str, Any], labels: Sequence[str]) -> Figure:
    """Photos by true and predicted label."""
    figure, axes = _axes()
    counts = np.asarray(test["metrics"]["confusion"])
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=color, fontsize=16)
    axes.set(title="Confusion, test split", xlabel="predicted", ylabel="true", xticks=[0, 1], yticks=[0, 1])
    axes.set_xticklabels(labels)
    axes.set_yticklabels(labels)
    return figure


def curves(histories: dict[str, list[dict[str, Any]]]) -> Figure:
    """Training accuracy (on augmented photos) and validation accuracy by epoch, over all phases."""
    figure, axes = _axes(7.0, 4.0)
    for color, (name, history) in zip(("C1", "C0"), histories.items(), strict=False):
        epochs = range(1, len(history) + 1)
        axes.plot(epochs, [100 * epoch["val_accuracy"] for epoch in history], f"{color}-o", label=f"{name}, validation")
        axes.plot(epochs, [100 * epoch["accuracy"] for epoch in history], f"{color}--", label=f"{name}, training")
        for number, (before, epoch) in enumerate(itertools.pairwise(history), start=1):
            if epoch["phase"] != before["phase"]:
                axes.axvline(number + 0.5, color="gray", linewidth=1, linestyle=":")
                axes.annotate(epoch["phase"], (number + 0.6, 86.5), color="gray", fontsize="small")
    axes.set(title="Accuracy while training", xlabel="epoch", ylabel="%", ylim=(86, 100))
    axes.grid(alpha=0.3)
    axes.legend(loc="center right", fontsize="small")
    return figure


def worst(test: dict[str, Any]) -> list[int]:
    """The most confident mistakes, as positions in the lists of `test`."""
    labels, probabilities = np.asarray(test["labels"]), np.asarray(test["probabilities"])
    error = np.abs(probabilities - labels)
    return [int(place) for place in np.argsort(-error, kind="stable")[:MISTAKES] if error[place] > 0.5]


def mistakes(test: dict[str, Any], source: data.Source, positive: str) -> Figure:
    """The worst mistakes, as thumbnails."""
    places = worst(test)
    wanted = {test["names"][place] for place in places}
    photos = {photo.name: photo.data for photo in data.read_split(source, "test") if photo.name in wanted}
    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    figure.suptitle("The worst mistakes on the test split")
    for axes, place in zip(figure.subplots(2, MISTAKES // 2, squeeze=False).flat, places, strict=False):
        with Image.open(io.BytesIO(photos[test["names"][place]])) as picture:
            axes.imshow(picture.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL)))
        answer = f"P({positive}) {test['probabilities'][place]:.3f}"
        axes.set_title(f"{source.labels[test['labels'][place]]}\n{answer}", fontsize=8)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG without a date: the same figure always gives the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})
