"""The plots of the card, most of them of more than two labels."""

from typing import Any

import numpy as np
import pytest

from evaluate import metrics, plots


def answered(labels: list[int], predicted: list[int], confidences: list[float]) -> dict[str, Any]:
    return {"labels": labels, "predicted": predicted, "confidences": confidences, "metrics": {"ece": 0.1}}


def many(classes: int) -> dict[str, Any]:
    random = np.random.default_rng(1)
    labels, predicted = random.integers(0, classes, (2, 500)).tolist()
    return answered(labels, predicted, random.random(500).tolist())


@pytest.mark.parametrize("classes", [3, 10])
def test_the_confusion_matrix_of_some_labels_shows_each_photo_once(classes: int) -> None:
    labels = [f"label {number}" for number in range(classes)]
    (axes,) = plots.confusion(many(classes), labels).axes
    assert len(axes.texts) == classes**2
    assert sum(int(text.get_text()) for text in axes.texts) == 500
    assert [tick.get_text() for tick in axes.get_xticklabels()] == labels


@pytest.mark.parametrize("classes", [11, 200])
def test_of_many_labels_the_most_confused_pairs_are_named(classes: int) -> None:
    labels = [f"label {number}" for number in range(classes)]
    test = answered([0, 0, 1, 1, 1, 2, 3], [1, 1, 0, 0, 0, 2, 4], [1.0] * 7)
    (axes,) = plots.confusion(test, labels).axes
    named = [tick.get_text() for tick in axes.get_yticklabels()]
    assert named == ["label 1 as label 0", "label 0 as label 1", "label 3 as label 4"]
    assert [text.get_text() for text in axes.texts] == ["3", "2", "1"]
    assert len(plots.confusion(many(classes), labels).axes[0].get_yticklabels()) == 20


@pytest.mark.parametrize(("noise", "in_corner"), [(0.2, True), (0.8, False)])
def test_the_roc_curve_is_in_view(noise: float, in_corner: bool) -> None:
    labels = np.tile([0, 1], 100)
    probabilities = labels + np.random.default_rng(1).normal(0, noise, 200)
    test = {"labels": labels, "probabilities": probabilities, "metrics": {"auc": metrics.auc(labels, probabilities)}}
    (axes,) = plots.roc(test, "dog").axes
    assert ("upper left corner" in axes.get_title(loc="left")) == in_corner
    x, y = axes.lines[0].get_data()
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    seen = (left <= np.asarray(x)) & (np.asarray(x) <= right) & (bottom <= np.asarray(y)) & (np.asarray(y) <= top)
    assert seen.sum() >= 3


def test_without_a_mistake_there_is_no_pair() -> None:
    (axes,) = plots.confusion(answered([0, 1], [0, 1], [0.9, 0.9]), "abcdefghijklmnop").axes
    assert not axes.get_yticklabels()


def test_labels_may_have_dollar_signs() -> None:
    """Between two of them, Matplotlib would read a formula."""
    plots.confusion(answered([0, 1], [0, 1], [0.9, 0.9]), ["$5_$", "$10_$"]).canvas.draw()


def test_labels_that_begin_alike_can_be_told_apart_when_they_are_long() -> None:
    shown = plots.short(["a bird of the north", "a bird of the south", "short"])
    assert len(set(shown)) == 3
    assert max(map(len, shown)) <= 14
    assert shown[2] == "short"


def test_the_worst_mistakes_are_the_most_confident_ones() -> None:
    assert plots.worst(answered([0, 1, 2, 2, 0], [0, 2, 0, 1, 1], [1.0, 0.5, 0.9, 0.4, 0.9])) == [2, 4, 1, 3]
    assert plots.worst({"labels": [0, 1, 1, 0], "probabilities": [0.6, 0.9, 0.1, 0.2]}) == [2, 0]


def test_reliability_of_more_than_two_labels_is_that_of_the_confidence() -> None:
    test = answered([0, 1, 2, 2], [0, 1, 2, 0], [0.95, 0.97, 0.42, 0.41])
    (axes,) = plots.reliability(test, None).axes
    assert [text.get_text() for text in axes.texts] == ["2", "2"]
    (dots,) = axes.collections
    np.testing.assert_allclose(np.asarray(dots.get_offsets(), np.float64), np.array([[0.415, 0.5], [0.96, 1.0]]))
