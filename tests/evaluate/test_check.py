"""From a trained network to the verdict, and what a failed criterion does."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from convert import __main__ as convert_cli
from evaluate import __main__ as cli
from evaluate import card, check, criteria, plots, style
from evaluate.corruptions import CORRUPTIONS
from tests.conftest import make_photos
from tests.small_run import SmallRun, train
from train import data, metadata

pytestmark = pytest.mark.training


class Shipped(NamedTuple):
    """A converted network, and the flags that name it and its data."""

    run: SmallRun
    flags: list[str]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    run = train(tmp_path_factory.mktemp("run"))
    model = run.models / "cats_dogs.tflite"
    files = ["--model", str(run.models / "baseline.keras"), "--output", str(model), "--quantize", "int8"]
    assert convert_cli.main([*run.data, *files, "--max-accuracy-drop", "100"]) == 0
    return Shipped(run, ["check", "--model", str(model)])


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five photos, and a file that is none."""
    folder = make_photos(tmp_path_factory.mktemp("photos") / "external", 3, seed=2)
    (folder / "cat" / "001.jpg").write_bytes(b"not a photo")
    return folder


def test_figures_are_written_and_a_failed_criterion_fails_the_command(
    root: Path, shipped: Shipped, external: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, flags = shipped
    required = tmp_path / "criteria.toml"
    below = {"test calibration error": 1, "accuracy drop": 100, "false-alarm rate": 1}
    bounds = {name: f"at_most = {below[name]}" if name in below else "at_least = 0" for name in criteria.NAMES}
    required.write_text("\n".join(f'"{name}" = {{ {bound} }}' for name, bound in bounds.items()))
    shutil.copy(root / "examples" / "owl.jpg", tmp_path)
    folders = ["--photos", str(external), "--out-of-distribution", str(tmp_path)]
    assert cli.main([*flags, *folders, "--criteria", str(required)]) == 0
    evaluation = json.loads((run.models / check.FILE).read_text())
    assert evaluation["test"]["metrics"]["photos"] == 8
    assert len(evaluation["external"]["labels"]) == 5
    assert set(evaluation["corruptions"]) == set(CORRUPTIONS)
    recall = evaluation["uncertainty"]["recall"]
    assert evaluation["uncertainty"]["from_folder"] == 1
    assert recall["photos"] >= 20
    assert recall["share"] == pytest.approx(1 - len(evaluation["uncertainty"]["missed"]) / recall["photos"])
    # The file has no threshold: the one that the largest allowed false-alarm rate gives is assumed.
    confidences = [max(p, 1 - p) for p in evaluation["test"]["probabilities"]]
    threshold = evaluation["uncertainty"]["threshold"]
    assert threshold == pytest.approx(min(confidences))
    assert evaluation["uncertainty"]["false_alarms"]["share"] == sum(one < threshold for one in confidences) / 8
    assert not evaluation["uncertainty"]["in_answers"]
    printed = capsys.readouterr().out
    assert "left out cat/001.jpg: not an image of a supported format" in printed
    assert printed.count("holds") == len(criteria.NAMES) - 2
    assert "false-alarm rate: not judged as the file has no confidence threshold\n" in printed
    required.write_text(
        '"test calibration error" = { at_most = 0 }\n"test AUC" = { at_least = 0 }\n'
        '"external accuracy" = { at_least = 1 }\n"out-of-distribution recall" = { at_least = 1 }'
    )
    shutil.move(required, run.models / criteria.FILE)  # beside the model, it needs no flag
    assert cli.main(flags) == 1
    printed = capsys.readouterr().out
    assert (printed.count("FAILS"), printed.count("holds")) == (1, 1)
    assert "external accuracy: not judged without --photos FOLDER\n" in printed
    assert "out-of-distribution recall: not judged without --out-of-distribution FOLDER and a conf" in printed
    own = run.models / criteria.FILE
    assert printed.endswith(f"train on more photos, or write bounds of your own to {own}\n")
    assert "external" not in json.loads((run.models / check.FILE).read_text())
    (run.models / criteria.FILE).unlink()


def test_an_external_test_set_of_other_classes_is_refused(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (make_photos(tmp_path / "other", 3) / "dog").rename(tmp_path / "other" / "horse")
    assert cli.main([*shipped.flags, "--photos", str(tmp_path / "other")]) == 2
    assert "its classes are not the model's: dog missing, horse beside them" in capsys.readouterr().err


def test_photos_that_the_network_was_made_from_are_no_external_test_set(
    shipped: Shipped, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*shipped.flags, "--photos", str(shipped.run.photos)]) == 2
    assert "80 of its photos are in photos, which the network was made from" in capsys.readouterr().err


def test_an_external_test_set_without_a_class_that_decodes_is_named(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_photos(tmp_path / "external", 3, seed=2)
    for file in (folder / "dog").iterdir():
        file.write_bytes(file.read_bytes()[:300])
    assert cli.main([*shipped.flags, "--photos", str(folder)]) == 2
    assert "external test set: no photo of dog can be decoded" in capsys.readouterr().err


def test_other_photos_than_those_of_training_are_refused(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_photos(tmp_path / "photos", 11)
    assert cli.main([*shipped.flags, "--data-dir", str(other)]) == 2
    assert "trained on other photos" in capsys.readouterr().err


def test_figures_of_another_file_are_refused(
    shipped: Shipped, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "models"
    shutil.copytree(shipped.run.models, folder)
    known = metadata.read(folder)
    known["conversions"]["int8"]["version"] = "000000000000"
    metadata.write(folder, known)
    assert cli.main(["check", "--model", str(folder / "cats_dogs.tflite")]) == 2
    assert "version 000000000000" in capsys.readouterr().err


def test_a_missing_model_is_an_error_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--model", str(tmp_path / "none.tflite")]) == 2
    assert "none.tflite" in capsys.readouterr().err


def test_the_plots_show_each_photo_once_and_the_mistakes_worst_first(root: Path) -> None:
    test = json.loads((root / "models" / check.FILE).read_text())["test"]
    errors = [abs(test["probabilities"][place] - test["labels"][place]) for place in plots.worst(test)]
    assert errors == sorted(errors, reverse=True)
    assert min(errors) > 0.5
    counts = [int(text.get_text().replace(",", "")) for text in plots.confusion(test, ("cat", "dog")).axes[0].texts]
    assert sum(counts) == test["metrics"]["photos"]
    bins = [int(text.get_text().replace(",", "")) for text in plots.reliability(test, "dog").axes[0].texts]
    assert sum(bins) == test["metrics"]["photos"]


def test_thumbnails_of_mistakes_are_those_of_the_photos_named(shipped: Shipped, tmp_path: Path) -> None:
    data_set = data.open_data_set(shipped.run.photos)
    photos = list(data.read_split(data_set, "test"))
    wrong = {
        "names": [photo.name for photo in photos],
        "labels": [photo.label for photo in photos],
        "probabilities": [1.0 - photo.label for photo in photos],
    }
    figure = plots.mistakes(wrong, data_set, "dog")
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(titles) == len(photos)
    style.save(figure, tmp_path / "plots" / "mistakes.png")
    assert (tmp_path / "plots" / "mistakes.png").read_bytes().startswith(b"\x89PNG")


def test_the_card_names_a_failed_criterion(root: Path) -> None:
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    known = metadata.read(root / "models")
    assert "holds" in card.card(known, evaluation)
    evaluation["test"]["metrics"]["accuracy"] = 0.5
    assert "**fails**" in card.card(known, evaluation)
