"""Three commands, from a folder of photos to the shipped model: all of its files, or none."""

import os
import shutil
import signal
from pathlib import Path

import keras
import pytest

from convert import __main__ as convert_cli
from evaluate import __main__ as cli
from evaluate import card
from evaluate.publish import SHIPPED
from serve.model.classifier import Classifier
from tests.conftest import make_photos
from tests.small_run import predict
from tests.train.conftest import tiny_backbone
from train import __main__ as train_cli
from train import metadata

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos of apples and pears, and a run on them that is converted and checked."""
    place = tmp_path_factory.mktemp("work")
    photos = make_photos(place / "fruit", 40)
    (photos / "cat").rename(photos / "apple")
    (photos / "dog").rename(photos / "pear")
    run, cache = place / "runs" / "fruit", ["--cache-dir", str(place / "cache")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.applications, "MobileNetV2", tiny_backbone)
        phases = ["--epochs", "1", "--fine-tune-epochs", "1", "--distill-epochs", "1"]
        small = ["--weights", "none", "--img-size", "32", "--positive-class", "apple", *phases]
        assert train_cli.main(["--data-dir", str(photos), "--output", str(run), *cache, *small]) == 0
    assert convert_cli.main(["--model", str(run / "model.keras"), *cache, "--max-accuracy-drop", "100"]) == 0
    assert cli.main(["check", "--model", str(run / "model.tflite")]) in (0, 1)
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """The same in the test's own folder, beside a shipped model."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / SHIPPED["int8"]).write_bytes(b"the one before")
    return tmp_path


def publish(place: Path, *flags: str) -> int:
    return cli.main(["publish", str(place / "runs" / "fruit"), "--to", str(place / "models"), *flags])


def assert_unchanged(place: Path) -> None:
    assert {path.name for path in place.iterdir()} == {"runs", "models"}
    assert [path.read_bytes() for path in (place / "models").iterdir()] == [b"the one before"]


def test_all_files_of_the_shipped_model_are_replaced(place: Path) -> None:
    assert publish(place) == 0
    assert {path.name for path in place.iterdir()} == {"runs", "models"}
    assert {path.name for path in (place / "models").iterdir()} == {
        *SHIPPED.values(), "README.md", "evaluation.json", "history", "metadata.json", "plots"
    }  # fmt: skip
    known = metadata.read(place / "models")
    for mode in ("int8", "float16"):
        description = Classifier(place / "models" / SHIPPED[mode]).description
        assert description.version == known["conversions"][mode]["version"]
        assert (description.labels, description.positive_class) == (("pear", "apple"), "apple")
    assert str(place) not in (place / "models" / "metadata.json").read_text()
    assert known["models"]["mobilenetv2"]["file"] == "cats_dogs.keras"


def test_make_predict_answers_in_the_labels_of_the_published_model(place: Path, trained: Path) -> None:
    assert publish(place) == 0
    answer = predict(place / "models" / SHIPPED["int8"], trained / "fruit" / "pear" / "000.jpg")
    assert answer["label"] == ("apple" if answer["probability"] >= 0.5 else "pear")
    assert answer["model_version"] == metadata.read(place / "models")["conversions"]["int8"]["version"]
    assert "probabilities" not in answer


def test_the_card_says_what_the_data_is(place: Path) -> None:
    assert publish(place) == 0
    card = (place / "models" / "README.md").read_text()
    assert card.startswith("# Model card: pear or apple")
    assert "the folder `fruit`: 64 training photos" in card
    assert [word for word in ("Asirra", "TensorFlow Datasets", " dog ", " cat ") if word in card] == []


def test_a_missing_precision_replaces_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = metadata.read(place / "runs" / "fruit")
    del known["conversions"]["float16"]
    metadata.write(place / "runs" / "fruit", known)
    assert publish(place) == 2
    assert "python -m convert --quantize float16" in capsys.readouterr().err
    assert_unchanged(place)


def test_a_file_that_was_not_measured_replaces_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = place / "runs" / "fruit"
    shutil.copy(run / "model.tflite", run / "model.float16.tflite")
    assert publish(place) == 2
    assert "convert again" in capsys.readouterr().err
    assert_unchanged(place)


def test_figures_of_another_file_replace_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "runs" / "fruit" / "evaluation.json"
    file.write_text(file.read_text().replace(metadata.read(file.parent)["conversions"]["int8"]["version"], "0" * 12))
    assert publish(place) == 2
    assert "check again" in capsys.readouterr().err
    assert_unchanged(place)


def test_figures_with_another_threshold_replace_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The version is that of the network: the threshold stands beside it."""
    known = metadata.read(place / "runs" / "fruit")
    known["conversions"]["int8"]["confidence_threshold"] = 0.123
    metadata.write(place / "runs" / "fruit", known)
    assert publish(place) == 2
    assert "checked with another confidence threshold; check again" in capsys.readouterr().err
    assert_unchanged(place)


def test_damaged_figures_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "runs" / "fruit" / "evaluation.json"
    file.write_text(file.read_text()[:100])
    assert publish(place) == 2
    assert f"{file}: is damaged" in capsys.readouterr().err
    assert_unchanged(place)


def test_a_failure_half_way_replaces_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(card, "card", full)  # by then, the staging folder has files
    assert publish(place) == 2
    assert "no space left" in capsys.readouterr().err
    assert_unchanged(place)


def test_an_unfinished_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["publish", str(tmp_path)]) == 2
    assert "python -m evaluate check" in capsys.readouterr().err


def test_a_published_model_needs_to_be_told_where_its_photos_are(
    place: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(place) == 0
    models_dir = ["--models", str(place / "models")]
    assert cli.main(["report", *models_dir]) == 2
    assert "trained on the folder fruit; name it with --data-dir" in capsys.readouterr().err
    assert cli.main(["report", *models_dir, "--data-dir", str(trained / "fruit")]) == 0


def test_photos_that_were_moved_are_named_with_a_flag(
    place: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = metadata.read(place / "runs" / "fruit")
    metadata.write(place / "runs" / "fruit", known | {"data_dir": str(place / "elsewhere")})
    assert publish(place) == 2
    assert "no such folder" in capsys.readouterr().err
    assert_unchanged(place)
    assert publish(place, "--data-dir", str(trained / "fruit")) == 0


@pytest.mark.parametrize("to", ["models", "runs", "runs/fruit", "runs/fruit/models", "a file"])
def test_nothing_but_a_model_is_replaced(place: Path, to: str, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "models" / "precious.txt").write_text("mine")
    (place / "a file").write_text("mine")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert publish(place, "--to", str(place / to)) == 2
    assert "--to" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_files_that_could_be_of_a_model_are_not_deleted_for_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "notes").mkdir()
    (place / "notes" / "README.md").write_text("mine")
    assert publish(place, "--to", str(place / "notes")) == 2
    assert "holds files, and no model; name another folder with --to" in capsys.readouterr().err
    assert (place / "notes" / "README.md").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["efficientdet.tflite", "notes.md", "package.json", "plots/figure.svg", "history/a/b.json"]
)
def test_nor_are_files_beside_those_of_a_model(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish(place) == 0
    mine = place / "models" / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert publish(place) == 2
    assert "which would be deleted; name another folder with --to" in capsys.readouterr().err
    assert mine.read_text() == "mine"


def test_the_history_of_a_network_that_is_gone_is_not_published(place: Path) -> None:
    (place / "runs" / "fruit" / "history" / "mobilenetv3small.json").write_text("[]")
    assert publish(place) == 0
    assert [file.name for file in (place / "models" / "history").iterdir()] == ["mobilenetv2.json"]


def test_ctrl_c_between_the_old_model_and_the_new_one_loses_neither(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            os.kill(os.getpid(), signal.SIGINT)
        removed(path, ignore_errors=ignore_errors)

    removed = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", interrupted)
    assert publish(place) == 0
    assert {path.name for path in place.iterdir()} == {"runs", "models"}
    assert metadata.read(place / "models")["data"]["labels"] == ["pear", "apple"]


def test_a_link_to_the_shipped_model_stays_one(place: Path) -> None:
    (place / "models").rename(place / "version-1")
    (place / "models").symlink_to("version-1")
    assert publish(place) == 0
    assert (place / "models").readlink() == Path("version-1")
    assert (place / "version-1" / SHIPPED["int8"]).is_file()
    assert {path.name for path in place.iterdir()} == {"runs", "models", "version-1"}


def test_files_of_two_networks_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = metadata.read(place / "runs" / "fruit")
    known["conversions"]["float16"]["network"] = "baseline"
    metadata.write(place / "runs" / "fruit", known)
    assert publish(place) == 2
    assert "its int8 and float16 files are of different networks" in capsys.readouterr().err
    assert_unchanged(place)


@pytest.mark.parametrize(
    ("key", "value"),
    [("mirrored", True), ("temperature", 2.0), ("confidence_threshold", 0.5), ("max_false_alarm_rate", 0.5)],
)
def test_files_of_two_conversions_are_refused(
    place: Path, key: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    known = metadata.read(place / "runs" / "fruit")
    known["conversions"]["float16"][key] = value
    metadata.write(place / "runs" / "fruit", known)
    assert publish(place) == 2
    assert "different conversions; convert to both at once" in capsys.readouterr().err
    assert_unchanged(place)


@pytest.mark.parametrize("same_photos", [True, False])
def test_criteria_of_the_shipped_model_stay_for_the_same_photos(place: Path, same_photos: bool) -> None:
    known = metadata.read(place / "runs" / "fruit") if same_photos else {"data": {"identity": "of others"}}
    metadata.write(place / "models", known)
    (place / "models" / "criteria.toml").write_text('"test accuracy" = { at_least = 0.5 }')
    assert publish(place) == 0
    assert (place / "models" / "criteria.toml").is_file() == same_photos
