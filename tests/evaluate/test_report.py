import json
import re
from pathlib import Path

import pytest

from evaluate import card, check, report
from serve.model import model_file
from train import metadata


def test_the_readme_has_the_figures_of_metadata(root: Path) -> None:
    text = (root / "docs" / "training.md").read_text(encoding="utf-8")
    assert report.with_tables(text, metadata.read(root / "models")) == text


def test_the_card_has_the_figures_of_metadata_and_evaluation(root: Path) -> None:
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    text = (root / "models" / "README.md").read_text(encoding="utf-8")
    assert card.card(metadata.read(root / "models"), evaluation) == text
    plots = re.findall(r'src="(plots/[^"]+)"', text)
    assert plots
    assert [plot for plot in plots if not (root / "models" / plot).is_file()] == []


def test_what_was_checked_is_what_is_shipped(root: Path) -> None:
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    assert evaluation["model_version"] == model_file.read(root / "models" / "cats_dogs.tflite").version


@pytest.mark.parametrize(("mode", "file"), [("int8", "cats_dogs.tflite"), ("float16", "cats_dogs.float16.tflite")])
def test_the_shipped_files_are_those_that_were_measured(root: Path, mode: str, file: str) -> None:
    path = root / "models" / file
    conversion = metadata.read(root / "models")["conversions"][mode]
    assert conversion["version"] == model_file.read(path).version
    assert conversion["bytes"] == path.stat().st_size


def test_text_around_the_tables_stays_as_it_is(root: Path) -> None:
    known = metadata.read(root / "models")
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    changed = report.with_tables(text, known)
    assert changed.startswith("before\n")
    assert changed.endswith("\nafter\n")
    assert "old" not in changed
    assert report.with_tables(changed, known) == changed


def test_missing_marks_are_an_error(root: Path) -> None:
    with pytest.raises(ValueError, match="marks"):
        report.with_tables("no marks", metadata.read(root / "models"))


def test_metadata_is_replaced_in_one_step(tmp_path: Path) -> None:
    metadata.write(tmp_path, {"a": 1})
    metadata.write(tmp_path, {"b": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["metadata.json"]
    assert json.loads((tmp_path / "metadata.json").read_text()) == metadata.read(tmp_path) == {"b": 2}
    assert metadata.read(tmp_path / "none") == {}


def test_the_commit_is_named() -> None:
    assert metadata.git_commit()
    assert {"tensorflow", "numpy", "git_commit", "python"} <= set(metadata.environment())
