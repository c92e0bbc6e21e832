"""From a folder of photos to the verdict, and what a missed bar does."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convert import __main__ as convert_cli
from evaluate import card, check, plots
from train import __main__ as train_cli
from train import metadata
from train.data import Source


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def shipped(photo_folder: Callable[[int], Path], workplace: Path) -> tuple[list[str], Path]:
    """A small trained and converted model: the flags that name it and its data, and its folder."""
    folder, output = photo_folder(40), workplace / "models"
    model = output / "cats_dogs.tflite"
    if not model.is_file():
        data = ["--data-dir", str(folder), "--cache-dir", str(workplace / "cache")]
        small = ["--model", "baseline", "--img-size", "32", "--epochs", "3", "--batch-size", "8"]
        assert train_cli.main([*data, *small, "--learning-rate", "0.01", "--output", str(output)]) == 0
        made = ["--model", str(output / "baseline.keras"), "--output", str(model), "--max-accuracy-drop", "100"]
        assert convert_cli.main([*data, *made, "--uncertain-share", "0"]) == 0
    return ["--model", str(model), "--data-dir", str(folder)], output


def test_what_is_measured_is_written_and_a_missed_bar_fails(
    shipped: tuple[list[str], Path],
    photo_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags, output = shipped
    elsewhere = photo_folder(3, "elsewhere")
    (elsewhere / "cat" / "001.jpg").write_bytes(b"not a photo")
    monkeypatch.setattr(check, "BARS", dict.fromkeys(check.BARS, ("at least", -1e9)))
    assert check.main([*flags, "--photos", str(elsewhere)]) == 0
    evaluation = json.loads((output / check.FILE).read_text())
    assert evaluation["test"]["metrics"]["photos"] == 8
    assert len(evaluation["elsewhere"]["labels"]) == 5
    assert "skipped cat/001.jpg" in capsys.readouterr().out
    assert set(evaluation["robustness"]) == set(check.SPOILED)
    others = evaluation["uncertainty"]["others"]
    assert others["photos"] >= 20
    assert others["share"] == pytest.approx(1 - len(evaluation["uncertainty"]["missed"]) / others["photos"])
    # No more of the test photos than are allowed: of eight, none.
    sure = [max(p, 1 - p) for p in evaluation["test"]["probabilities"]]
    assert evaluation["uncertainty"]["below"] == pytest.approx(np.quantile(sure, 0.02))
    assert evaluation["uncertainty"]["test"]["share"] == sum(p < evaluation["uncertainty"]["below"] for p in sure) / 8
    assert not evaluation["uncertainty"]["answered"]
    monkeypatch.setattr(check, "BARS", check.BARS | {"test accuracy": ("at least", 1.1)})
    assert check.main(flags) == 1
    printed = capsys.readouterr().out
    assert printed.count("MISSED") == 1
    assert "elsewhere" not in json.loads((output / check.FILE).read_text())


def test_each_way_to_spoil_a_photo_changes_it(cat_jpeg: bytes) -> None:
    spoiled = {name: check._spoil(cat_jpeg, change) for name, change in check.SPOILED.items()}
    assert len(set(spoiled.values())) == len(check.SPOILED)
    assert all(image.startswith(b"\x89PNG") for image in spoiled.values())


@pytest.mark.parametrize(("figure", "expected"), [(0.989, True), (0.98899, False), (1.0, True)])
def test_a_bar_holds_from_its_figure_on(figure: float, expected: bool) -> None:
    assert check.holds("test accuracy", figure) == expected


def test_a_missing_model_is_an_error_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--model", str(tmp_path / "none.tflite")]) == 2
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


def test_thumbnails_of_mistakes_are_those_of_the_photos_named(shipped: tuple[list[str], Path], tmp_path: Path) -> None:
    flags, _ = shipped
    source = Source(Path(flags[-1]))
    photos = list(source.read_split("test"))
    wrong = {
        "names": [photo.name for photo in photos],
        "labels": [photo.label for photo in photos],
        "probabilities": [1.0 - photo.label for photo in photos],
    }
    figure = plots.mistakes(wrong, source, "dog")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(titles) == len(photos)
    plots.save(figure, tmp_path / "plots" / "mistakes.png")
    assert (tmp_path / "plots" / "mistakes.png").read_bytes().startswith(b"\x89PNG")


def test_the_card_names_a_missed_bar(root: Path) -> None:
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    known = metadata.read(root / "models")
    assert "holds" in card.card(known, evaluation)
    evaluation["test"]["metrics"]["accuracy"] = 0.5
    assert "**missed**" in card.card(known, evaluation)
