"""The notebook as it is kept, and as it runs."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from convert import __main__ as convert_cli
from evaluate import __main__ as evaluate_cli
from evaluate import card, check, names
from notebooks import execute
from tests.train.conftest import tiny_backbone
from train import __main__ as train_cli
from train import metadata

LARGEST = 5_000_000  # bytes, outputs included
SETTINGS = ("NOTEBOOK_MODELS", "NOTEBOOK_DATA_DIR", "NOTEBOOK_PHOTOS", "NOTEBOOK_EXTERNAL")


@pytest.fixture(scope="module")
def kept() -> nbformat.NotebookNode:
    return nbformat.read(execute.NOTEBOOK, as_version=4)


def code_cells(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def outputs(book: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    for cell in code_cells(book):
        yield from cell.outputs


def shown(book: nbformat.NotebookNode) -> str:
    """All text that the cells show."""
    return "\n".join(output.data.get("text/markdown", "") for output in outputs(book) if "data" in output)


def text(book: nbformat.NotebookNode) -> str:
    """All that can be read in the file, but for the pixels of its pictures."""
    read: list[str] = [json.dumps(book.metadata)]
    for cell in book.cells:
        read += [cell.source, json.dumps(cell.metadata)]
        for output in cell.get("outputs", []):
            data = {kind: data for kind, data in output.get("data", {}).items() if not kind.startswith("image/")}
            read += [json.dumps(data), json.dumps({key: value for key, value in output.items() if key != "data"})]
    return "\n".join(read)


def test_every_cell_has_been_run_once_from_top_to_bottom(kept: nbformat.NotebookNode) -> None:
    nbformat.validate(kept)
    cells = code_cells(kept)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    silent = [place for place, cell in enumerate(cells) if not cell.outputs]
    assert silent == [0]  # the project's folder, imports


def test_it_opens_with_what_it_shows(kept: nbformat.NotebookNode) -> None:
    first, setup, heading, answers, *_ = kept.cells
    assert "This notebook shows" in first.source
    assert (setup.cell_type, heading.source) == ("code", "## In short")
    assert any("image/jpeg" in output.data for output in answers.outputs)


def test_no_figure_is_minus_nothing(kept: nbformat.NotebookNode) -> None:
    assert re.findall(r"(?<![\d.])-0\.?0*(?![\d.]*[1-9])", shown(kept)) == []


def test_networks_have_the_names_of_the_other_pages(kept: nbformat.NotebookNode) -> None:
    words = shown(kept)
    for model, phases in (("baseline", ["scratch"]), ("mobilenetv2", ["frozen", "fine-tune", "distill"])):
        assert [phase for phase in phases if names.network(model, phase) not in words] == []


def test_it_shows_text_and_pictures_and_nothing_else(kept: nbformat.NotebookNode) -> None:
    kinds = {kind for output in outputs(kept) for kind in output.get("data", {})} - {"text/plain"}
    assert kinds == {"text/markdown", "image/png", "image/jpeg"}
    assert [output for output in outputs(kept) if output.output_type != "display_data"] == []
    assert sum("image/png" in output.data or "image/jpeg" in output.data for output in outputs(kept)) >= 15


def test_every_picture_says_what_it_shows(kept: nbformat.NotebookNode) -> None:
    for output in outputs(kept):
        for kind in {"image/png", "image/jpeg"} & set(output.data):
            assert len(output.metadata[kind]["alt"]) > 15


def test_it_is_small_enough_and_of_no_machine(kept: nbformat.NotebookNode, root: Path) -> None:
    assert execute.NOTEBOOK.stat().st_size < LARGEST
    everything = text(kept)
    for place in (str(root), str(Path.home()), "/tmp/", "/home/", "/root", sys.prefix, "ipykernel_"):
        assert place not in everything
    assert not re.search(r"(?<![\w.`])/(usr|var|opt|work|mnt|Users)/", everything)
    assert kept.metadata == execute.METADATA
    assert all(set(cell.metadata) <= {"tags"} for cell in kept.cells)


def test_its_figures_are_those_of_the_shipped_model(kept: nbformat.NotebookNode, root: Path) -> None:
    known = metadata.read(root / "models")
    evaluation = json.loads((root / "models" / check.FILE).read_text())
    words = shown(kept)
    assert f"version `{evaluation['model_version']}`" in words
    assert f"**{card.accuracy(evaluation['test']['metrics'])}**" in words
    assert "the figures of `models/evaluation.json`" in words
    assert "The figures of training and conversion are those of `models/`" in words
    for model in known["models"].values():
        for metrics in model["test"].values():
            assert f"| {card.accuracy(metrics)} | {metrics['auc']:.4f} |" in words
    for conversion in known["conversions"].values():
        for result in conversion["runtimes"].values():
            row = f"{conversion['bytes'] / 1e6:.2f} MB | {card.accuracy(result)} | {result['auc']:.4f}"
            assert row in words


def test_it_was_run_on_all_photos(kept: nbformat.NotebookNode, root: Path) -> None:
    known = metadata.read(root / "models")["data"]
    # All of them can be decoded: training left out near-duplicates only.
    assert f"Photos: {sum(known['photos'].values()) + known['skipped']:,} photos" in shown(kept)


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """A place that has what a fresh clone has, and nothing beside it."""
    place = tmp_path / "clone"
    (place / "notebooks").mkdir(parents=True)
    for module in ("networks.py", "study.py"):
        (place / "notebooks" / module).symlink_to(root / "notebooks" / module)
    for name in ("serve", "train", "convert", "evaluate", "models", "examples"):
        (place / name).symlink_to(root / name, target_is_directory=True)
    shutil.copy(execute.NOTEBOOK, place / "notebooks")
    return place


def run(clone: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """The notebook, executed on other photos."""
    for name in [*SETTINGS, "TFDS_DATA_DIR"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    notebook = clone / "notebooks" / execute.NOTEBOOK.name
    execute.execute(notebook, notebook, timeout_s=600)
    book = nbformat.read(notebook, as_version=4)
    assert str(clone) not in text(book)
    assert [output for output in outputs(book) if output.output_type != "display_data"] == []
    return book


@pytest.fixture
def folder(photo_folder: Callable[[int], Path]) -> Path:
    """Photos of two classes: one of them twice in its class, one in both classes, one broken."""
    made = photo_folder(40)
    shutil.copy(made / "cat" / "001.jpg", made / "cat" / "copy.jpg")
    shutil.copy(made / "cat" / "002.jpg", made / "dog" / "contradiction.jpg")
    (made / "dog" / "broken.jpg").write_bytes((made / "dog" / "003.jpg").read_bytes()[:700])
    return made


@pytest.fixture
def small_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both networks, trained on these photos and converted, with a tiny backbone."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", tiny_backbone)
    run, cache = tmp_path / "run", ["--cache-dir", str(tmp_path / "cache")]
    small = ["--data-dir", str(folder), "--output", str(run), *cache, "--img-size", "32", "--epochs", "1"]
    assert train_cli.main(["--model", "baseline", *small]) == 0
    phases = ["--weights", "none", "--fine-tune-epochs", "1", "--distill-epochs", "1"]
    assert train_cli.main(["--model", "mobilenetv2", *phases, *small]) == 0
    flags = ["--calibration-photos", "8", "--max-accuracy-drop", "100"]
    assert convert_cli.main(["--model", str(run / "model.keras"), *cache, *flags]) == 0
    assert evaluate_cli.main(["check", "--model", str(run / "model.tflite")]) in (0, 1)
    return run


@pytest.mark.training
def test_it_runs_on_a_slice_of_a_folder_and_on_another_model(
    clone: Path, folder: Path, small_run: Path, photo_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "NOTEBOOK_DATA_DIR": str(folder), "NOTEBOOK_EXTERNAL": str(photo_folder(8, "external")),
        "NOTEBOOK_PHOTOS": "78", "NOTEBOOK_MODELS": "../run",
    }  # fmt: skip
    words = shown(run(clone, settings, monkeypatch))
    sliced = sum(78 * photos // 83 for photos in (67, 8, 8))  # of the training, validation and test split
    assert f"Photos: {sliced - 1} photos of `photos` (version folder), which has 83 (a slice)" in words
    assert "Left out, because they cannot be decoded: dog/broken.jpg" in words
    assert "2 photos are byte-for-byte copies of another. By the hash, 2 pairs are near-duplicates." in words
    assert "1 show the same picture under both labels" in words
    assert "external test set: 16 photos" in words
    made = metadata.read(small_run)
    assert made["conversions"]["int8"]["version"] in words
    assert set(made["models"]) == {"baseline", "mobilenetv2"}


def test_a_failing_cell_is_an_error_and_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    notebook = tmp_path / "failing.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 + 1", "raise ValueError('no such folder')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook)
    before = notebook.read_bytes()
    with pytest.raises(CellExecutionError, match="no such folder"):
        execute.execute(notebook, notebook, timeout_s=60)
    assert notebook.read_bytes() == before
