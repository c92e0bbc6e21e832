"""What the model looked at: its class activation maps over photos of the test split."""

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from evaluate import metrics, pictures, plots, style
from serve.model.classifier import Classifier
from serve.model.explanation import Grid
from train import data

_PHOTOS: Final = 6
_MISTAKES: Final = 3
_SIDE: Final = 192  # pixels
_OPAQUE: Final = 0.65  # where the evidence is strongest


def chosen(test: dict[str, Any]) -> list[int]:
    """The first right answers, then the worst mistakes, as positions in the lists of `test`; six in all."""
    wrong = plots.worst(test)[:_MISTAKES]
    right = np.flatnonzero(metrics.answered(test)[0] == np.asarray(test["labels"]))
    return [*right[: _PHOTOS - len(wrong)].tolist(), *wrong]


@style.styled()
def draw(test: dict[str, Any], data_set: data.DataSet, classifier: Classifier) -> Figure:
    """Photos in gray, with the evidence for the answer in red, and that against it in blue.

    Raises:
        NoExplanationError: the file has no map.
    """
    names = [test["names"][place] for place in chosen(test)]
    photos = {photo.name: photo for photo in data.read_split(data_set, "test") if photo.name in names}
    figure = style.blank(3.2)
    figure.suptitle("Evidence for the answer (red) and against it (blue)", fontsize=9)
    for axes, name in zip(figure.subplots(2, _PHOTOS // 2).flat, names, strict=False):
        photo = photos[name]
        prediction = classifier.classify(photo.data, explain=True)
        _draw(axes, photo.data, prediction.explanation or ())
        label, answer = plots.short([data_set.labels[photo.label], prediction.label])
        axes.set_title(f"{label}\nanswer: {answer}", fontsize=7)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def _draw(axes: Axes, photo: bytes, explanation: Grid) -> None:
    shown = pictures.picture(photo).convert("L")
    shown.thumbnail((_SIDE, _SIDE))
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255)
    evidence = np.asarray(
        Image.fromarray(np.array(explanation, np.float32)).resize(shown.size, Image.Resampling.BICUBIC)
    )
    most = np.abs(evidence).max() or 1.0
    axes.imshow(evidence, cmap="coolwarm", vmin=-most, vmax=most, alpha=_OPAQUE * np.abs(evidence) / most)
