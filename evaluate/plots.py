"""The plots of the model card."""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from evaluate import metrics, names, pictures, style
from train import data

MISTAKES: Final = 12
_ACROSS: Final = 4
_THUMBNAIL: Final = 192  # pixels
_LEGIBLE: Final = 10  # the most labels whose confusion matrix can be read
_PAIRS: Final = 20
_LONGEST: Final = 14  # letters of a label
_CORNER_AUC: Final = 0.99  # from here on the curve is in the corner of 10%


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = style.blank(height)
    return figure, figure.subplots()


def draw(
    evaluation: dict[str, Any],
    labels: Sequence[str],
    histories: dict[str, list[dict[str, Any]]],
    data_set: data.DataSet,
) -> dict[str, Figure]:
    """The plots of the card, by name. More than two labels have no ROC curve."""
    test, positive = evaluation["test"], data.positive(labels)
    return {
        **({"roc": roc(test, positive)} if positive else {}),
        "reliability": reliability(test, positive),
        "confusion": confusion(test, labels),
        "curves": curves(histories),
        "mistakes": mistakes(test, data_set, positive),
    }


@style.styled()
def roc(test: dict[str, Any], positive: str) -> Figure:
    """The ROC curve; of a good one, the upper left corner: the rest is empty."""
    figure, axes = _axes(3.2)
    false_positives, true_positives, _ = roc_curve(test["labels"], test["probabilities"])
    axes.plot(100 * false_positives, 100 * true_positives, color=style.OURS)
    auc = test["metrics"]["auc"]
    if auc >= _CORNER_AUC:
        axes.set(xlim=(-0.3, 10), ylim=(90, 100.3))
    axes.set(
        title=f"ROC{', upper left corner' if auc >= _CORNER_AUC else ''}; AUC {auc:.4f}",
        xlabel="false positive rate, %", ylabel=f"true positive rate ({positive}), %",
    )  # fmt: skip
    axes.grid()
    return figure


@style.styled()
def reliability(test: dict[str, Any], positive: str | None) -> Figure:
    """Predicted probability and observed share, by bin. Larger dots are more photos.

    Of more than two labels, `positive` is None: the confidence, and the share of right answers.
    """
    figure, axes = _axes(3.6)
    if positive:
        bins = metrics.reliability(test["labels"], test["probabilities"])
    else:
        predicted, confidences = metrics.answered(test)
        bins = metrics.reliability(predicted == test["labels"], confidences)
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
        title=f"Reliability; calibration error {error:.4f}",
        xlabel=f"{f'P({positive})' if positive else 'confidence'}, mean of the bin",
        ylabel=f"share of {positive} photos" if positive else "share of right answers",
    )
    return figure


@style.styled()
def confusion(test: dict[str, Any], labels: Sequence[str]) -> Figure:
    """Photos by true and predicted label; of many labels, the pairs that are most often confused."""
    counts = metrics.confusion(test["labels"], metrics.answered(test)[0], len(labels))
    if len(labels) > _LEGIBLE:
        return _confused(counts, labels)
    figure, axes = _axes(3.4)
    draw_confusion(axes, counts, labels)
    axes.set_title("Confusion, test split")
    return figure


def draw_confusion(axes: Axes, matrix: npt.ArrayLike, labels: Sequence[str]) -> None:
    """A confusion matrix, [true label][predicted label]."""
    counts = np.asarray(matrix)
    axes.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if count > counts.max() / 2 else "black"
        axes.text(
            column, row, f"{count:,}", ha="center", va="center", color=color, fontsize=12 if len(labels) < 5 else 8
        )
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), short(labels), rotation=0 if len(labels) < 4 else 90)
    axes.set_yticks(range(len(labels)), short(labels))


def _confused(counts: npt.NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Bars of the pairs of labels that are most often confused."""
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:_PAIRS]
    pairs = [divmod(int(place), len(labels)) for place in order if wrong.flat[place]]
    figure, axes = _axes(1.2 + 0.18 * max(4, len(pairs)))
    shown = short(labels)
    bars = axes.barh(range(len(pairs)), [wrong[pair] for pair in pairs], color=style.OURS)
    axes.bar_label(bars, fontsize=7, padding=2)
    axes.set_yticks(range(len(pairs)), [f"{shown[true]} as {shown[answer]}" for true, answer in pairs], fontsize=7)
    axes.invert_yaxis()
    figure.suptitle(f"The most confused of {len(labels)} labels, test split", fontsize=9)
    axes.set(xlabel="photos of the first with the second as the answer", xticks=[])
    return figure


def short(labels: Sequence[str]) -> list[str]:
    """Long labels without their middle: those of a kind often begin alike."""
    half = _LONGEST // 2
    return [label if len(label) <= _LONGEST else f"{label[: half - 1]}…{label[-half:]}" for label in labels]


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
    predicted, confidences = metrics.answered(test)
    wrong = predicted != np.asarray(test["labels"])
    order = np.argsort(np.where(wrong, -confidences, 0), kind="stable")
    return [int(place) for place in order[:MISTAKES] if wrong[place]]


@style.styled()
def mistakes(test: dict[str, Any], data_set: data.DataSet, positive: str | None) -> Figure:
    """The worst mistakes, as thumbnails below their label and the answer."""
    places = worst(test)
    wanted = {test["names"][place] for place in places}
    photos = {photo.name: photo.data for photo in data.read_split(data_set, "test") if photo.name in wanted}
    labels, figure = short(data_set.labels), style.blank(0.4 + 1.3 * (MISTAKES // _ACROSS))
    figure.suptitle("The worst mistakes on the test split", fontsize=9)
    for axes, place in zip(figure.subplots(MISTAKES // _ACROSS, _ACROSS).flat, places, strict=False):
        shown = pictures.picture(photos[test["names"][place]])
        axes.imshow(shown.resize((_THUMBNAIL, _THUMBNAIL)))
        axes.set_title(f"{labels[test['labels'][place]]}\n{_answer(test, place, labels, positive)}", fontsize=7)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def _answer(test: dict[str, Any], place: int, labels: Sequence[str], positive: str | None) -> str:
    if positive:
        return f"P({positive}) {test['probabilities'][place]:.3f}"
    return f"as {labels[test['predicted'][place]]}\n{test['confidences'][place]:.3f}"
