import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serve.errors import ProblemError
from serve.model import model_file, preprocess
from serve.model.classifier import Classifier

TINY = Path(__file__).parent / "tiny"


@pytest.fixture(scope="module")
def classifier(model_path: Path) -> Classifier:
    return Classifier(model_path)


def test_a_cat_is_a_cat(classifier: Classifier, cat_jpeg: bytes) -> None:
    prediction = classifier.classify(cat_jpeg)
    assert prediction.label == "cat"
    assert 0 <= prediction.probability < 0.1
    assert prediction.model_version == classifier.description.version
    assert prediction.decode_ms > 0
    assert prediction.inference_ms > 0


@pytest.mark.parametrize(("above", "uncertain"), [(-1e-6, False), (1e-6, True)])
def test_a_photo_below_the_threshold_is_uncertain(
    model_path: Path, tmp_path: Path, cat_jpeg: bytes, above: float, *, uncertain: bool
) -> None:
    model, known = model_path.read_bytes(), model_file.read(model_path)
    probability = Classifier(model_path).classify(cat_jpeg).probability
    below = max(probability, 1 - probability) + above
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack(model, known.labels, known.positive_class, {"confidence_threshold": below}))
    assert Classifier(file).classify(cat_jpeg).uncertain is uncertain


def test_the_probability_is_that_of_the_pixels(classifier: Classifier, cat_jpeg: bytes) -> None:
    pixels = preprocess.decode(cat_jpeg, *classifier.input_size)
    assert classifier.classify(cat_jpeg).probability == classifier.probabilities(pixels.tobytes())[-1]


def test_the_positive_class_may_be_any_of_the_two(model_path: Path, tmp_path: Path, cat_jpeg: bytes) -> None:
    file, known = tmp_path / "model.tflite", model_file.read(model_path)
    file.write_bytes(model_file.pack(model_path.read_bytes(), ("dog", "cat"), "dog", dict(known.details)))
    turned, shipped = Classifier(file).classify(cat_jpeg), Classifier(model_path).classify(cat_jpeg)
    assert turned[:3] == shipped[:3]


def test_more_than_two_labels_have_a_probability_each(tmp_path: Path, cat_jpeg: bytes) -> None:
    file, model = tmp_path / "model.tflite", (TINY / "three_numbers.tflite").read_bytes()
    file.write_bytes(model_file.pack(model, ("ant", "bee", "cow"), None, {"confidence_threshold": 0.0}))
    classifier = Classifier(file)
    prediction = classifier.classify(cat_jpeg)
    probabilities = prediction.probabilities
    assert probabilities is not None
    assert list(probabilities) == ["ant", "bee", "cow"]
    pixels = preprocess.decode(cat_jpeg, *classifier.input_size)
    assert tuple(probabilities.values()) == classifier.probabilities(pixels.tobytes())
    assert prediction.label == max(probabilities, key=probabilities.__getitem__)
    assert prediction.probability == probabilities[prediction.label]
    assert prediction.uncertain is (prediction.probability < 0)


@pytest.mark.parametrize(("name", "labels"), [("three_numbers", ("a", "b")), ("float32", ("a", "b", "c"))])
def test_labels_of_another_number_than_the_outputs_are_refused(
    tmp_path: Path, name: str, labels: tuple[str, ...]
) -> None:
    file, model = tmp_path / "model.tflite", (TINY / f"{name}.tflite").read_bytes()
    file.write_bytes(model_file.pack(model, labels, "a" if len(labels) == 2 else None, {}))
    with pytest.raises(ValueError, match=rf"model\.tflite: returns \d numbers for {len(labels)} labels"):
        Classifier(file)


@pytest.mark.parametrize("label", ["cat", "dog"])
def test_photos_from_elsewhere_are_mostly_right(shipped_model_path: Path, shared: Path, label: str) -> None:
    classifier = Classifier(shipped_model_path)
    if label not in classifier.description.labels:
        pytest.skip("models/ has a model of other labels")
    photos = sorted((shared / "photos" / label).glob("*.jpg"))
    assert len(photos) == 200
    right = sum(classifier.classify(photo.read_bytes()).label == label for photo in photos)
    assert right / len(photos) >= 0.93


def test_concurrent_calls_do_not_mix_up_their_photos(classifier: Classifier) -> None:
    chance = random.Random(1)
    height, width = classifier.input_size
    pixels = [chance.randbytes(3) * (height * width) for _ in range(40)]
    alone = [classifier.probabilities(each)[-1] for each in pixels]
    assert len(set(alone)) > 1
    together = threading.Barrier(4)

    def classify(each: bytes) -> float:
        together.wait()
        return classifier.probabilities(each)[-1]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(classify, pixels)) == alone


def test_too_many_pixels_are_refused_as_the_setting_says(model_path: Path, cat_jpeg: bytes) -> None:
    with pytest.raises(ProblemError, match=r"451 x 300"):
        Classifier(model_path, max_pixels=1000).classify(cat_jpeg)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.tflite"):
        Classifier(tmp_path / "none.tflite")
