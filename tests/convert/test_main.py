"""The command line, from a folder of photos to a file that serves."""

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest

from convert import __main__ as cli
from convert import calibrate, quantize
from convert import run as conversion
from evaluate import metrics
from serve.model import model_file
from serve.model.classifier import Classifier
from tests.conftest import make_photos
from tests.small_run import SmallRun, train
from train import data, metadata, models, splits
from train.pixels import decode

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    return train(tmp_path_factory.mktemp("run"))


@pytest.fixture
def trained(run: SmallRun, tmp_path: Path) -> tuple[list[str], Path]:
    """The flags that name a trained network and its data, and the network's folder, which is the test's own."""
    output = tmp_path / "models"
    shutil.copytree(run.models, output, ignore=shutil.ignore_patterns("state"))
    named = ["--model", str(output / "baseline.keras"), "--output", str(output / "out.tflite"), "--quantize", "int8"]
    return [*run.data, *named], output


def test_the_file_describes_itself_and_metadata_has_the_figures(
    trained: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    assert cli.main([*flags, "--max-accuracy-drop", "100"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5  # no dump of tensors
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
    low, high = result["accuracy_drop_interval"]
    assert low <= result["keras_accuracy"] - result["accuracy"] <= high
    assert Classifier(output / "out.tflite").input_size == (32, 32)


def test_the_file_knows_its_confidence_threshold(trained: tuple[list[str], Path]) -> None:
    flags, output = trained
    assert cli.main([*flags, "--max-accuracy-drop", "100", "--max-false-alarm-rate", "0.9"]) == 0
    classifier, validation = (
        Classifier(output / "out.tflite"),
        data.read_split(data.open_data_set(Path(flags[1])), "validation"),
    )
    answers = [classifier.classify(photo.data) for photo in validation]
    confidences = [max(one.probability, 1 - one.probability) for one in answers]
    threshold = classifier.description.confidence_threshold
    assert threshold is not None
    assert threshold == pytest.approx(sorted(confidences)[2])  # all of 8 others are below it 1 time in 286
    assert [one.uncertain for one in answers] == [confidence < threshold for confidence in confidences]


@pytest.mark.parametrize(("rate", "expected"), [("0.02", "too few"), ("0", "")])
def test_a_file_may_have_no_threshold(
    trained: tuple[list[str], Path], capsys: pytest.CaptureFixture[str], rate: str, expected: str
) -> None:
    flags, output = trained
    assert cli.main([*flags, "--quantize", "none", "--max-accuracy-drop", "100", "--max-false-alarm-rate", rate]) == 0
    assert expected in capsys.readouterr().out
    assert Classifier(output / "out.tflite").description.confidence_threshold is None
    assert json.loads((output / "metadata.json").read_text())["conversions"]["none"]["confidence_threshold"] is None


@pytest.mark.parametrize("flags", [["--mirror"], []], ids=["mirror", "default"])
def test_a_photo_and_its_mirror_image_get_the_same_answer_with_test_time_augmentation(
    trained: tuple[list[str], Path], flags: list[str]
) -> None:
    named, output = trained
    assert cli.main([*named, "--max-accuracy-drop", "100", "--quantize", "none", *flags]) == 0
    classifier = Classifier(output / "out.tflite")
    photos = [decode(photo.data, 32, 32) for photo in data.read_split(data.open_data_set(Path(named[1])), "test")]
    one, other = (
        np.array([classifier.probabilities(pixels[:, ::step].tobytes())[-1] for pixels in photos]) for step in (1, -1)
    )
    difference = np.abs(np.log(one) - np.log(other)).max()
    assert difference < 1e-3 if flags else difference > 1e-2
    assert model_file.read(output / "out.tflite").details["mirrored"] is bool(flags)
    result = json.loads((output / "metadata.json").read_text())["conversions"]["none"]
    assert result["mirrored"] is bool(flags)
    assert result["runtimes"]["ai-edge-litert"]["largest_difference"] < 1e-4  # from what Keras says, asked alike


def test_the_temperature_is_of_the_validation_split_and_the_figures_are_of_the_test_split(
    trained: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, output = trained
    fitted_on = []

    def temperature(labels: npt.NDArray[np.int64], probabilities: metrics.Probabilities) -> float:
        fitted_on.append((labels, probabilities))
        return 1.7  # the network makes no mistake: its own would be 1

    monkeypatch.setattr(calibrate, "temperature", temperature)
    assert cli.main([*flags, "--quantize", "none", "--max-accuracy-drop", "100"]) == 0
    network, data_set = keras.models.load_model(output / "baseline.keras"), data.open_data_set(Path(flags[1]))
    photos = splits.load(data_set, 32, Path(flags[3]))
    given = {split: models.predict(network, photos[split]) for split in ("validation", "test")}
    ((labels, probabilities),) = fitted_on
    assert labels.tolist() == photos["validation"].labels.tolist()
    assert probabilities == pytest.approx(given["validation"], rel=1e-3)
    assert probabilities != pytest.approx(given["test"], rel=1e-3)
    written = json.loads((output / "metadata.json").read_text())["conversions"]["none"]
    assert written["temperature"] == 1.7
    classifier = Classifier(output / "out.tflite")
    answers = [classifier.classify(photo.data).probability for photo in photos["test"].stored]
    calibrated = calibrate._divided(given["test"], 1.7)
    assert answers == pytest.approx(calibrated, rel=1e-3)
    assert written["runtimes"]["ai-edge-litert"]["log_loss"] == pytest.approx(
        metrics.log_loss(photos["test"].labels, np.array(answers)), rel=1e-3
    )


@pytest.mark.parametrize(("asked", "photos", "allowed"), [(None, 8, 12.5), (None, 2100, 0.3), (0.1, 8, 0.1)])
def test_one_photo_of_a_small_test_split_may_change(asked: float | None, photos: int, allowed: float) -> None:
    assert conversion._allowed_drop(asked, photos) == allowed


def test_a_worse_file_replaces_nothing(
    trained: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    (output / "out.tflite").write_bytes(b"the one before")
    convert = quantize.convert

    def swapped(model: keras.Model, *args: object) -> bytes:
        logit = model.get_layer(models.LOGIT_LAYER)
        logit.kernel.assign(-logit.kernel)  # what was a cat is a dog now
        logit.bias.assign(-logit.bias)
        content = convert(model, *args)  # type: ignore[arg-type]
        logit.kernel.assign(-logit.kernel)
        logit.bias.assign(-logit.bias)
        return content

    monkeypatch.setattr(quantize, "convert", swapped)
    assert cli.main([*flags, "--max-accuracy-drop", "0.3"]) == 2
    assert "--max-accuracy-drop" in capsys.readouterr().err
    assert (output / "out.tflite").read_bytes() == b"the one before"
    assert not list(output.glob(".*"))


def test_a_missing_model_is_an_error_that_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--model", str(tmp_path / "none.keras")]) == 2
    assert "python -m train" in capsys.readouterr().err


def test_a_file_that_is_no_network_is_an_error_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "archive.keras", "w") as archive:
        archive.writestr("a note", "")
    (tmp_path / "note.txt").write_text("a note")
    (tmp_path / "note.keras").write_text("a note")
    for name in ("note.txt", "note.keras", "archive.keras"):
        assert cli.main(["--model", str(tmp_path / name)]) == 2
        assert f"{name}: is no network of Keras; make it with `python -m train`" in capsys.readouterr().err


def test_missing_data_is_an_error_that_says_what_to_do(
    trained: tuple[list[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, _ = trained
    assert cli.main([*flags, "--data-dir", str(tmp_path / "none")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_other_photos_than_those_of_training_are_refused(
    trained: tuple[list[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, _ = trained
    (make_photos(tmp_path / "fruit", 10) / "cat").rename(tmp_path / "fruit" / "apple")
    assert cli.main([*flags, "--data-dir", str(tmp_path / "fruit")]) == 2
    assert "its classes are not the network's: cat missing, apple beside them" in capsys.readouterr().err
    assert cli.main([*flags, "--data-dir", str(make_photos(tmp_path / "photos", 11))]) == 2
    assert "trained on other photos" in capsys.readouterr().err


def test_a_network_of_unknown_data_is_refused(
    trained: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    (output / "metadata.json").unlink()
    assert cli.main(flags) == 2
    assert "python -m train" in capsys.readouterr().err


def test_photos_precisions_and_file_names_follow_from_the_run(trained: tuple[list[str], Path]) -> None:
    flags, output = trained
    assert cli.main([*flags[2:6], "--max-accuracy-drop", "100"]) == 0
    found = {mode: known["file"] for mode, known in metadata.read(output)["conversions"].items()}
    assert found == {"int8": "baseline.tflite", "float16": "baseline.float16.tflite"}
    for mode, file in found.items():
        assert Classifier(output / file).description.labels == ("cat", "dog")
        keras.utils.clear_session()  # it counts the names that it gives; each command begins at zero
        assert cli.main([*flags, "--quantize", mode, "--max-accuracy-drop", "100"]) == 0
        # The same input gives the same bytes, alone or not.
        assert (output / file).read_bytes() == (output / "out.tflite").read_bytes()


def test_one_name_for_two_files_is_refused(trained: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    flags, output = trained
    with pytest.raises(SystemExit, match="2"):
        cli.main([*flags, "--quantize", "int8", "float16"])
    assert "--output names one file" in capsys.readouterr().err
    assert not (output / "out.tflite").exists()


def test_representative_photos_come_from_the_training_split_and_are_always_the_same(
    photo_folder: Callable[[int], Path],
) -> None:
    data_set = data.open_data_set(photo_folder(40))
    split = {decode(photo.data, 32, 32).tobytes() for photo in data.read_split(data_set, "train")}
    one, two, other = (conversion._representative(data_set, 32, 10, seed) for seed in (1, 1, 2))
    assert len(one) == 10
    assert {image.tobytes() for image in one} <= split
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    assert len(conversion._representative(data_set, 32, 99, 1)) == len(split) == 64


def test_of_several_samples_the_file_that_answers_most_as_the_network_is_kept(
    trained: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    samples = ["--calibration-photos", "2", "--calibration-samples", "3", "--seed", "5"]
    assert cli.main([*flags, *samples, "--max-accuracy-drop", "100"]) == 0
    lines = re.findall(r"calibrated on sample (\d): diverges by ([\d.]+) nats", capsys.readouterr().out)
    distances = {int(seed): float(nats) for seed, nats in lines}
    assert list(distances) == [5, 6, 7]
    assert len(set(distances.values())) > 1
    written = json.loads((output / "metadata.json").read_text())["conversions"]["int8"]
    best = min(distances, key=distances.__getitem__)
    assert written["calibration"] == {"photos": 2, "split": "train", "seed": best}
    photos = splits.load_split(data.open_data_set(Path(flags[1])), "validation", 32, Path(flags[3]))
    network = keras.models.load_model(output / "baseline.keras")
    wanted = calibrate._divided(models.predict(network, photos), written["temperature"])
    given = conversion._answers(output / "out.tflite", photos)
    assert metrics.divergence(wanted, given) == pytest.approx(distances[best], abs=1e-5)
    assert [path.name for path in output.iterdir() if path.name.startswith(".")] == []


def test_representative_photos_are_none_that_training_skipped(photo_folder: Callable[[int], Path]) -> None:
    data_set = data.open_data_set(photo_folder(40))
    skipped = {photo.name for photo in data.read_split(data_set, "train")[::4]}
    assert len(conversion._representative(data_set, 32, 99, 1, skipped)) == 64 - len(skipped)


@pytest.mark.parametrize("name", ["baseline.keras", "folder.tflite"])
def test_an_output_that_is_no_tflite_file_is_refused(
    trained: tuple[list[str], Path], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    (output / "folder.tflite").mkdir()
    before = (output / "baseline.keras").read_bytes()
    with pytest.raises(SystemExit, match="2"):
        cli.main([*flags, "--output", str(output / name)])
    assert "--output names a file that ends in .tflite" in capsys.readouterr().err
    assert (output / "baseline.keras").read_bytes() == before


def test_representative_photos_are_those_that_decode(photo_folder: Callable[[int], Path]) -> None:
    folder = photo_folder(40)
    broken = sorted(folder.rglob("*.jpg"))[::4]
    for file in broken:
        file.write_bytes(file.read_bytes()[:700])
    data_set = data.open_data_set(folder)
    whole = [photo for photo in data.read_split(data_set, "train") if folder / photo.name not in broken]
    assert len(whole) < len(data_set.bounds("train"))
    assert len(conversion._representative(data_set, 32, 99, 1)) == len(whole)


def test_a_python_without_the_packages_is_an_error_that_names_it(
    trained: tuple[list[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, output = trained
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "ModuleNotFoundError: No module named numpy" >&2\nexit 1\n')
    bare.chmod(0o755)
    assert cli.main([*flags, "--max-accuracy-drop", "100", "--runtime-python", str(bare)]) == 2
    error = capsys.readouterr().err
    assert f"error: {bare} cannot run the file: ModuleNotFoundError: No module named numpy; " in error
    assert not (output / "out.tflite").exists()


@pytest.mark.parametrize("flags", [["--seed", "-1"], ["--seed", str(2**32)], ["--calibration-photos", "0"]])
def test_a_number_that_cannot_be_used_is_named(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(flags)
    assert f"argument {flags[0]}: {flags[1]} is not" in capsys.readouterr().err


def test_ctrl_c_is_one_line(
    trained: tuple[list[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(quantize, "convert", interrupted)
    flags, output = trained
    assert cli.main(flags) == 130
    assert capsys.readouterr().err.endswith("\ninterrupted; an unfinished file replaces nothing\n")
    assert not (output / "out.tflite").exists()
