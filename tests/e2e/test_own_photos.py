"""The whole way with one's own labels: a folder of five classes in; a model that answers in these labels out."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convert import __main__ as convert_cli
from evaluate import __main__ as evaluate_cli
from evaluate import report
from evaluate.publish import SHIPPED
from serve.model.classifier import Classifier
from tests import digits
from tests.small_run import predict
from train import __main__ as train_cli
from train import data, metadata

pytestmark = pytest.mark.training

LABELS = tuple(sorted(digits.NAMES))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with handwritten digits, a run on it, and the published model."""
    place = tmp_path_factory.mktemp("own")
    folder = digits.write(place / "digits", {**dict.fromkeys(digits.NAMES, 80), "three": 50})
    external = digits.write(place / "external", {**dict.fromkeys(digits.NAMES, 80), "three": 50}, seed=2)
    run, cache = place / "runs" / "digits", ["--cache-dir", str(place / "cache")]
    small = ["--model", "baseline", "--img-size", "32", "--epochs", "6", "--batch-size", "8", "--learning-rate", "0.01"]
    assert train_cli.main(["--data-dir", str(folder), "--output", str(run), *cache, *small]) == 0
    assert convert_cli.main(["--model", str(run / "baseline.keras"), *cache, "--max-false-alarm-rate", "0.3"]) == 0
    tables = place / "tables.md"
    tables.write_text(f"{report.BEGIN}\n{report.END}\n")
    (run / "criteria.toml").write_text('"test accuracy" = { at_least = 0.7 }\n"test AUC" = { at_least = 0.9 }\n')
    assert evaluate_cli.main(["check", "--model", str(run / "baseline.tflite"), "--photos", str(external)]) == 0
    assert evaluate_cli.main(["report", "--models", str(run), "--tables", str(tables)]) == 0
    assert evaluate_cli.main(["publish", str(run), "--to", str(place / "models")]) == 0
    return place


def published(place: Path) -> dict[str, Any]:
    return dict(json.loads((place / "models" / "evaluation.json").read_text()))


def test_it_is_far_better_than_chance(place: Path) -> None:
    known, evaluation = metadata.read(place / "models"), published(place)
    trained = known["models"]["baseline"]["test"]["scratch"]
    assert trained["photos"] == 37
    assert min(trained["accuracy"], evaluation["test"]["metrics"]["accuracy"]) > 0.7  # chance is 0.2
    assert evaluation["external"]["metrics"]["photos"] == 370


def test_files_and_metadata_have_the_labels_and_no_positive_class(place: Path) -> None:
    about = metadata.read(place / "models")["data"]
    assert about["labels"] == list(LABELS)
    assert "positive_class" not in about
    for mode in ("int8", "float16"):
        description = Classifier(place / "models" / SHIPPED[mode]).description
        assert (description.labels, description.positive_class) == (LABELS, None)
        assert description.confidence_threshold is not None


def test_make_predict_answers_in_these_labels(place: Path) -> None:
    data_set = data.open_data_set(place / "digits")
    photo = next(iter(data.read_split(data_set, "train")))
    answer = predict(place / "models" / SHIPPED["int8"], place / "digits" / photo.name)
    assert list(answer["probabilities"]) == list(LABELS)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["label"] == max(LABELS, key=answer["probabilities"].__getitem__)
    assert answer["probability"] == answer["probabilities"][answer["label"]]
    assert answer["model_version"] == published(place)["model_version"]
    assert isinstance(answer["uncertain"], bool)


def test_the_build_of_the_image_takes_the_published_model(
    place: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its last step knows what a model answers: it runs here as the Dockerfile has it, but for the packages."""
    (step,) = re.findall(r"python -c \\\n +('import .+?')\n", (root / "Dockerfile.lambda").read_text(), re.DOTALL)
    step = step.replace("/tmp/", "others/")
    for folder in ("app", "others"):
        (tmp_path / folder).mkdir()
    for name in ("serve", "lambda_function.py"):
        (tmp_path / "app" / name).symlink_to(root / name)
    for photo in (root / "examples").glob("cat.*"):
        (tmp_path / photo.name).symlink_to(photo)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'app'}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for models, labels in ((place / "models", LABELS), (root / "models", ("cat",)), (place / "models", ())):
        (tmp_path / "app" / "models").unlink(missing_ok=True)
        (tmp_path / "app" / "models").symlink_to(models)
        text = step if labels else step.replace(".labels}", ".labels[:0]}")
        done = subprocess.run(
            f"{sys.executable} -c {text}", shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == bool(labels), done.stderr


def test_evaluation_has_the_answers_of_the_file(place: Path) -> None:
    test, classifier = published(place)["test"], Classifier(place / "models" / SHIPPED["int8"])
    photos = {photo.name: photo.data for photo in data.read_split(data.open_data_set(place / "digits"), "test")}
    predictions = [classifier.classify(photos[name]) for name in test["names"]]
    assert [LABELS[place] for place in test["predicted"]] == [one.label for one in predictions]
    assert test["confidences"] == pytest.approx([one.probability for one in predictions], abs=1e-6)
    assert sum(a == b for a, b in zip(test["labels"], test["predicted"], strict=True)) / 37 == pytest.approx(
        test["metrics"]["accuracy"]
    )


def test_the_tables_name_the_folder_and_have_a_row_for_each_file(place: Path) -> None:
    tables = (place / "tables.md").read_text()
    assert "On the 37 photos of the test split of the folder `digits`:" in tables
    for row in ("| small CNN, from scratch |", "| int8 | ai-edge-litert |", "| float16 | ai-edge-litert |"):
        assert row in tables


def test_the_card_is_about_these_labels(place: Path) -> None:
    card = (place / "models" / "README.md").read_text()
    assert card.startswith("# Model card: four, one, three, two or zero\n")
    assert "The model knows 5 classes." in card
    assert "the folder `digits`: 296 training photos" in card
    assert [word for word in ("cat ", "dog ", "P(dog)", "sigmoid", "Asirra", "ImageNet") if word in card] == []
    assert "P(label) of each of the 5 labels" in card
    rows = [line for line in card.splitlines() if line.startswith(tuple(f"| {label} |" for label in LABELS))]
    assert sum(int(row.split("|")[2]) for row in rows) == 37
    plots = {file.name for file in (place / "models" / "plots").iterdir()}
    assert {"reliability.png", "confusion.png", "curves.png", "mistakes.png"} <= plots
    assert "roc.png" not in plots
    assert [plot for plot in plots if f"plots/{plot}" not in card] == []


def test_a_positive_class_is_refused_before_anything_is_done(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data-dir", str(place / "digits"), "--output", str(place / "none"), "--positive-class", "one"]
    assert train_cli.main(flags) == 2
    assert "digits has 5 classes, each of which gets a probability" in capsys.readouterr().err
    assert not (place / "none").exists()
