"""The plots of the model card."""

import io
import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import roc_curve

from evaluate import metrics, names, style
from train import data

MISTAKES: Final = 12
_ACROSS: Final = 4
_THUMBNAIL: Final = 192  # pixels


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = style.blank(height)
    return figure, figure.subplots()


@style.styled()
def roc(test: dict[str, Any], positive: str) -> Figure:
    """The upper left corner of the ROC curve; the rest is empty."""
    figure, axes = _axes(3.2)
    false_positives, true_positives, _ = roc_curve(test["labels"], test["probabilities"])
    axes.plot(100 * false_positives, 100 * true_positives, color=style.OURS)
    axes.set(
        xlim=(-0.3, 10), ylim=(90, 100.3), title=f"ROC, upper left corner; AUC {test['metrics']['auc']:.4f}",
        xlabel="false positive rate, %", ylabel=f"true positive rate ({positive}), %",
    )  # fmt: skip
    axes.grid()
    return figure


@style.styled()
def reliability(test: dict[str, Any], positive: str) -> Figure:
    """Predicted probability and observed share, by bin. Larger dots are more photos."""
    figure, axes = _axes(3.6)
    bins = metrics.reliability(test["labels"], test["probabilities"])
    axes.plot([0, 1], [0, 1], color=style.BASELINE, linewidth=1)
    areas = [12 + 60 * np.log10(one.photos) for one in bins]
    axes.scatter([one.probability for one in bins], [one.share for one in bins], s=areas)
    for one, area in zip(bins, areas, strict=True):
        above = (0, area**0.5 / 2 + 2)  # the number stands on its dot
        axes.annotate(
            f"{one.photos:,}", (one.probability, one.share), above, textcoords="offset points", ha="center", fontsize=8
        )
    axes.margins(0.08)
    error = test["metrics"]["ece"]
    axes.set(
        title=f"Reliability; calibration error {error:.4f}", xlabel=f"P({positive}), mean of the bin",
        ylabel=f"share of {positive} photos",
    )  # fmt: skip
    return figure


@style.styled()
def confusion(test: dict[str, Any], labels: Sequence[str]) -> Figure:
    """Photos by true and predicted label."""
    figure, axes = _axes(3.4)
    counts = np.asarray(test["metrics"]["confusion"])
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=color, fontsize=16)
    axes.set(title="Confusion, test split", xlabel="predicted", ylabel="true", xticks=[0, 1], yticks=[0, 1])
    axes.set_xticklabels(labels)
    axes.set_yticklabels(labels)
    return figure


@style.styled()
def curves(histories: dict[str, list[dict[str, Any]]]) -> Figure:
    """Training accuracy (on augmented photos) and validation accuracy by epoch, a panel for each network."""
    figure = style.blank(0.6 + 1.7 * len(histories))
    panels = figure.subplots(len(histories), 1, squeeze=False)[:, 0]
    for axes, (name, history) in zip(panels, histories.items(), strict=True):
        epochs = range(1, len(history) + 1)
        axes.plot(epochs, [100 * epoch["accuracy"] for epoch in history], color=style.BASELINE, label="training")
        axes.plot(
            epochs, [100 * epoch["val_accuracy"] for epoch in history], "o-", color=style.OURS, label="validation"
        )
        axes.set(title=f"{names.network(name)}, accuracy by epoch", ylabel="%")
        axes.grid(axis="y")
        _phases(axes, [epoch["phase"] for epoch in history])
    panels[0].legend(loc="lower right")
    return figure


def _phases(axes: Axes, phases: list[str]) -> None:
    """A line where a phase of training begins, with its name below the epochs."""
    starts = [place for place, phase in enumerate(phases) if place == 0 or phase != phases[place - 1]]
    for start, end in itertools.pairwise([*starts, len(phases)]):
        if start:
            axes.axvline(start + 0.5, color=style.BASELINE, linewidth=1, linestyle=":")
        middle, name = (start + end + 1) / 2, names.PHASES.get(phases[start], phases[start])
        label = name.replace(" ", "\n", 1)
        axes.text(middle, -0.2, label, ha="center", va="top", fontsize=7, transform=axes.get_xaxis_transform())


def worst(test: dict[str, Any]) -> list[int]:
    """The most confident mistakes, as positions in the lists of `test`."""
    labels, probabilities = np.asarray(test["labels"]), np.asarray(test["probabilities"])
    error = np.abs(probabilities - labels)
    return [int(place) for place in np.argsort(-error, kind="stable")[:MISTAKES] if error[place] > 0.5]


@style.styled()
def mistakes(test: dict[str, Any], source: data.Source, positive: str) -> Figure:
    """The worst mistakes, as thumbnails."""
    places = worst(test)
    wanted = {test["names"][place] for place in places}
    photos = {photo.name: photo.data for photo in data.read_split(source, "test") if photo.name in wanted}
    figure = style.blank(0.4 + 1.3 * (MISTAKES // _ACROSS))
    figure.suptitle("The worst mistakes on the test split", fontsize=9)
    for axes, place in zip(figure.subplots(MISTAKES // _ACROSS, _ACROSS).flat, places, strict=False):
        with Image.open(io.BytesIO(photos[test["names"][place]])) as picture:
            axes.imshow(picture.convert("RGB").resize((_THUMBNAIL, _THUMBNAIL)))
        answer = f"P({positive}) {test['probabilities'][place]:.3f}"
        axes.set_title(f"{source.labels[test['labels'][place]]}\n{answer}", fontsize=7)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure
