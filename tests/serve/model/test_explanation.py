"""The evidence for a label at each place of a photo."""

from pathlib import Path
from statistics import mean

import pytest
from PIL import Image

from serve.errors import NoExplanationError
from serve.model import explanation, model_file
from serve.model.classifier import Classifier
from serve.model.explanation import Grid
from tests.conftest import TINY
from tests.serve.model.pictures import encoded


def test_the_positive_class_has_its_logits_and_the_other_their_opposites() -> None:
    logits = (1.0, -2.0, 0.5, 4.0, 0.0, -1.0)
    assert explanation.of_two(logits, 3, is_positive=True) == ((1, -2, 0.5), (4, 0, -1))
    assert explanation.of_two(logits, 3, is_positive=False) == ((-1, 2, -0.5), (-4, 0, 1))


def test_one_of_many_labels_is_compared_with_the_mean_of_the_others() -> None:
    logits = (1.0, 2.0, 6.0, 5.0, 5.0, 5.0)
    assert explanation.of_many(logits, 1, labels=3, label=2) == ((4.5,), (0,))
    shifted = [logit + 100 for logit in logits]  # a softmax does not see it
    assert explanation.of_many(shifted, 1, labels=3, label=2) == ((4.5,), (0,))


def halves(left: str, right: str) -> bytes:
    """A photo of two colors side by side, twice as wide as it is high."""
    picture = Image.new("RGB", (400, 200), left)
    picture.paste(Image.new("RGB", (200, 200), right), (200, 0))
    return encoded(picture, "PNG")


def columns(grid: Grid | None) -> list[float]:
    """The mean of each column."""
    assert grid is not None
    assert [len(row) for row in grid] == [4] * 4
    return [mean(column) for column in zip(*grid, strict=True)]


def test_the_evidence_is_where_the_label_is(seven_model_path: Path) -> None:
    classifier = Classifier(seven_model_path)
    for photo, reverse in ((halves("red", "#a04040"), 1), (halves("#a04040", "red"), -1)):
        prediction = classifier.classify(photo, explain=True)
        assert prediction.label == "red"
        found = columns(prediction.explanation)[::reverse]
        assert found[0] > found[3] > 0


def test_with_two_labels_its_mean_is_the_log_odds(model_path: Path, root: Path) -> None:
    from math import exp

    classifier = Classifier(model_path)
    for label, sign in (("cat", -1), ("dog", 1)):
        photo = (root / "examples" / f"{label}.jpg").read_bytes()
        prediction = classifier.classify(photo, explain=True)
        assert prediction.label == label
        log_odds = mean(columns(prediction.explanation))
        assert log_odds > 0
        assert 1 / (1 + exp(-sign * log_odds)) == pytest.approx(prediction.probability, abs=1e-5)


def test_who_does_not_ask_gets_the_same_answer_without_it(model_path: Path, cat_jpeg: bytes) -> None:
    classifier = Classifier(model_path)
    asked, not_asked = classifier.classify(cat_jpeg, explain=True), classifier.classify(cat_jpeg)
    assert asked[:4] == not_asked[:4]
    assert not_asked.explanation is None


def test_a_file_without_a_map_serves_and_says_that_it_has_none(tmp_path: Path, cat_jpeg: bytes) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack((TINY / "three_numbers.tflite").read_bytes(), ("a", "b", "c"), None, {}))
    classifier = Classifier(file)
    assert not classifier.explains
    assert classifier.classify(cat_jpeg).label in ("a", "b", "c")
    with pytest.raises(NoExplanationError, match="no class activation map"):
        classifier.classify(cat_jpeg, explain=True)
