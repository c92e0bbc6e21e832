"""The command line, from a folder of photos to a file that serves."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from convert import __main__ as cli
from convert import quantize
from serve.model import model_file
from serve.model.classifier import Classifier
from train import __main__ as train_cli
from train import data, models
from train.pixels import decode


@pytest.fixture
def trained(photo_folder: Callable[[int], Path], tmp_path: Path) -> tuple[list[str], Path]:
    """A small trained model, and the flags that name it and its data."""
    data = ["--data-dir", str(photo_folder(40)), "--cache-dir", str(tmp_path / "cache")]
    output = tmp_path / "models"
    flags = ["--model", "baseline", "--img-size", "32", "--epochs", "3", "--batch-size", "8", "--learning-rate", "0.01"]
    assert train_cli.main([*data, *flags, "--output", str(output)]) == 0
    return [*data, "--model", str(output / "baseline.keras"), "--output", str(output / "out.tflite")], output


def test_the_file_describes_itself_and_metadata_has_the_figures(trained: tuple[list[str], Path]) -> None:
    flags, output = trained
    assert cli.main([*flags, "--max-accuracy-drop", "100"]) == 0
    description = model_file.read(output / "out.tflite")
    assert (description.labels, description.positive_class) == (("cat", "dog"), "dog")
    assert description.details["input"] == {"height": 32, "width": 32, "channels": "RGB", "range": [0, 255]}
    assert description.details["training"]["seed"] == 1
    written = json.loads((output / "metadata.json").read_text())["conversions"]["int8"]
    assert written["version"] == description.version
    assert written["bytes"] == (output / "out.tflite").stat().st_size
    result = written["runtimes"]["ai-edge-litert"]
    assert result["photos"] == 8
    assert result["agreement"] >= 0.5
    assert result["lost_interval"][0] <= result["keras_accuracy"] - result["accuracy"] <= result["lost_interval"][1]
    assert Classifier(output / "out.tflite").input_size == (32, 32)


def test_the_file_knows_its_confidence_threshold(trained: tuple[list[str], Path]) -> None:
    flags, output = trained
    assert cli.main([*flags, "--max-accuracy-drop", "100", "--uncertain-share", "0.5"]) == 0
    classifier, validation = Classifier(output / "out.tflite"), data.Source(Path(flags[1])).read_split("validation")
    said = [classifier.classify(photo.data) for photo in validation]
    sure = [max(one.probability, 1 - one.probability) for one in said]
    below = classifier.description.confidence_threshold
    assert below is not None
    assert below == pytest.approx(np.median(sure))
    assert [one.uncertain for one in said] == [share < below for share in sure]


@pytest.mark.parametrize("flag", ["--mirror", "--no-mirror"])
def test_a_photo_and_its_mirror_image_get_the_same_answer_where_that_is_asked_for(
    trained: tuple[list[str], Path], flag: str
) -> None:
    flags, output = trained
    assert cli.main([*flags, "--max-accuracy-drop", "100", "--quantize", "none", flag]) == 0
    classifier = Classifier(output / "out.tflite")
    photos = [decode(photo.data, 32, 32) for photo in data.Source(Path(flags[1])).read_split("test")]
    one, other = (
        np.array([classifier.probability(pixels[:, ::step].tobytes()) for pixels in photos]) for step in (1, -1)
    )
    difference = np.abs(np.log(one) - np.log(other)).max()
    assert difference < 1e-3 if flag == "--mirror" else difference > 1e-2
    assert model_file.read(output / "out.tflite").details["mirrored"] is (flag == "--mirror")
    result = json.loads((output / "metadata.json").read_text())["conversions"]["none"]
    assert result["mirrored"] is (flag == "--mirror")
    assert result["runtimes"]["ai-edge-litert"]["largest_difference"] < 1e-4  # from what Keras says, asked alike


def test_the_same_input_gives_the_same_bytes(trained: tuple[list[str], Path]) -> None:
    flags, output = trained
    files = []
    for _ in range(2):
        keras.utils.clear_session()  # it counts the names that it gives; each command begins at zero
        assert cli.main([*flags, "--max-accuracy-drop", "100"]) == 0
        files.append((output / "out.tflite").read_bytes())
    assert files[0] == files[1]


def test_a_worse_file_replaces_nothing(
    trained: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    (output / "out.tflite").write_bytes(b"the one before")
    convert = quantize.convert

    def spoiled(model: keras.Model, *args: object) -> bytes:
        logit = model.get_layer(models.LOGIT_LAYER)
        logit.kernel.assign(-logit.kernel)  # what was a cat is a dog now
        logit.bias.assign(-logit.bias)
        content = convert(model, *args)  # type: ignore[arg-type]
        logit.kernel.assign(-logit.kernel)
        logit.bias.assign(-logit.bias)
        return content

    monkeypatch.setattr(quantize, "convert", spoiled)
    assert cli.main([*flags, "--max-accuracy-drop", "0.3"]) == 2
    assert "--max-accuracy-drop" in capsys.readouterr().err
    assert (output / "out.tflite").read_bytes() == b"the one before"
    assert not list(output.glob(".*"))


def test_a_missing_model_is_an_error_that_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--model", str(tmp_path / "none.keras")]) == 2
    assert "python -m train" in capsys.readouterr().err


def test_missing_data_is_an_error_that_says_what_to_do(
    trained: tuple[list[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, _ = trained
    shutil.rmtree(tmp_path / "photos")
    assert cli.main(flags) == 2
    assert "no such folder" in capsys.readouterr().err


def test_representative_photos_come_from_the_training_split_and_are_always_the_same(
    photo_folder: Callable[[int], Path],
) -> None:
    source = data.Source(photo_folder(40))
    split = {decode(photo.data, 32, 32).tobytes() for photo in source.read_split("train")}
    one, two, other = (cli._representative(source, 32, 10, seed) for seed in (1, 1, 2))
    assert len(one) == 10
    assert {image.tobytes() for image in one} <= split
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    assert len(cli._representative(source, 32, 99, 1)) == len(split) == 64


def test_representative_photos_are_those_that_decode(photo_folder: Callable[[int], Path]) -> None:
    folder = photo_folder(40)
    (folder / "cat" / "003.jpg").write_bytes(b"not an image")
    source = data.Source(folder)
    whole = [photo for photo in source.read_split("train") if photo.name != "cat/003.jpg"]
    assert len(cli._representative(source, 32, 99, 1)) == len(whole)
