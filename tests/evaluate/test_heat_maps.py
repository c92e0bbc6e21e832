"""The heat maps of the model card."""

from pathlib import Path

import pytest

from evaluate import check, heat_maps
from serve.errors import NoExplanationError
from serve.model import model_file
from serve.model.classifier import Classifier
from tests.conftest import TINY, make_photos
from train import data


def test_right_answers_come_first_and_the_worst_mistakes_last() -> None:
    test = {"labels": [1, 0, 1, 0, 1, 1], "probabilities": [0.9, 0.1, 0.2, 0.7, 0.8, 0.9]}
    assert heat_maps.chosen(test) == [0, 1, 4, 5, 2, 3]
    test["labels"] = [1, 0, 0, 1, 1, 1]
    assert heat_maps.chosen(test) == [0, 1, 2, 3, 4, 5]
    test = {"labels": [0] * 9, "probabilities": [0.1, 0.6, 0.9, 0.1, 0.8, 0.7, 0.2, 0.3, 0.1]}
    assert heat_maps.chosen(test) == [0, 3, 6, 2, 4, 5]


def test_each_map_lies_over_its_photo(tmp_path: Path, model_path: Path) -> None:
    data_set, classifier = data.open_data_set(make_photos(tmp_path / "photos", 40)), Classifier(model_path)
    test = check.answers(classifier, list(data.read_split(data_set, "test")), 8, "test")
    figure = heat_maps.draw(test, data_set, classifier)
    assert len(figure.axes) == 6
    for axes in figure.axes:
        photo, evidence = axes.images
        assert photo.get_array().shape == evidence.get_array().shape  # type: ignore[union-attr]
        assert photo.get_extent() == evidence.get_extent()
        assert "answer: " in axes.get_title(loc="left") + axes.get_title()
    assert figure.axes[0].images[1].get_alpha().max() == pytest.approx(0.65)  # type: ignore[union-attr]


def test_a_file_without_a_map_is_an_error(tmp_path: Path) -> None:
    data_set = data.open_data_set(make_photos(tmp_path / "photos", 40))
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack((TINY / "float32.tflite").read_bytes(), ("cat", "dog"), "dog", {}))
    classifier = Classifier(file)
    test = check.answers(classifier, list(data.read_split(data_set, "test")), 8, "test")
    with pytest.raises(NoExplanationError):
        heat_maps.draw(test, data_set, classifier)
