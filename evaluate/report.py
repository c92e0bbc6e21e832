"""Writes the model card, its plots and the result tables of docs/training.md, so that no figure is typed."""

import json
from pathlib import Path
from typing import Any, Final

from evaluate import card, check, heat_maps, marks, names, plots, recipe, style
from serve.model.classifier import Classifier
from train import data, metadata

BEGIN: Final = "<!-- results: written by `python -m evaluate report` -->"
END: Final = "<!-- end of results -->"
PAGE: Final = Path("docs/training.md")
"""The page with the tables of the shipped model."""


def tables(known: dict[str, Any]) -> str:
    """Two tables, as Markdown: the networks, and the shipped network in each precision.

    Raises:
        KeyError: `known` lacks a figure: train or convert first.
    """
    test = known["data"]["photos"]["test"]
    title = f"On the {test:,} photos of the test split of {recipe.data_set(known['data'])}:"
    lines = [title, "", *_networks(known), "", *_conversions(known)]
    if any(conversion["mirrored"] for conversion in known["conversions"].values()):
        lines += ["", "With test-time augmentation, in the file and in Keras: the photo and its mirror image."]
    return "\n".join(lines)


def _networks(known: dict[str, Any]) -> list[str]:
    lines = [
        "| network (Keras) | accuracy (95% interval) | AUC | log loss | weights | trained in |",
        "|---|---|---|---|---|---|",
    ]
    for name, model in known["models"].items():
        for phase, result in model["test"].items():
            seconds = model["phase_seconds"][phase]
            lines.append(
                f"| {names.network(name, phase)} | {card.accuracy(result)} | {result['auc']:.4f} "
                f"| {result['log_loss']:.4f} | {model['parameters'] / 1e6:.2f} M | {seconds / 60:.0f} min |"
            )
    return lines


def _conversions(known: dict[str, Any]) -> list[str]:
    columns = ("`.tflite`", "runtime", "accuracy (95% interval)", "AUC", "agrees with Keras", "size", "inference")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for mode, conversion in known["conversions"].items():
        for runtime, result in conversion["runtimes"].items():
            lines.append(
                f"| {mode} | {runtime} | {card.accuracy(result)} | {result['auc']:.4f} | {result['agreement']:.2%} "
                f"| {conversion['bytes'] / 1e6:.2f} MB | {result['inference_ms']:.2f} ms |"
            )
    return lines


def with_tables(text: str, known: dict[str, Any]) -> str:
    """The text with new tables between the two marks.

    Raises:
        ValueError: a mark is missing.
    """
    return marks.replaced(text, BEGIN, END, tables(known))


def draw(known: dict[str, Any], evaluation: dict[str, Any], models_dir: Path, data_set: data.DataSet) -> None:
    """The plots of the card, into `models_dir`/plots.

    Raises:
        ValueError: the converted file has no class activation map.
    """
    histories = {
        name: json.loads((models_dir / "history" / f"{name}.json").read_text()) for name in sorted(known["models"])
    }
    for name, figure in plots.draw(evaluation, known["data"]["labels"], histories, data_set).items():
        style.save(figure, models_dir / "plots" / f"{name}.png")
    classifier = Classifier(models_dir / known["conversions"]["int8"]["file"])
    if not classifier.explains:
        raise ValueError(f"{models_dir}: the int8 file has no class activation map; convert the network again")
    style.save(heat_maps.draw(evaluation["test"], data_set, classifier), models_dir / "plots" / "heat_maps.png")


def measured(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of metadata.json and evaluation.json.

    Raises:
        ValueError: one is missing or damaged, or they describe different files.
    """
    known, file = metadata.read(folder), folder / check.FILE
    if "conversions" not in known or not file.is_file():
        raise ValueError(f"{folder}: needs the figures of `python -m convert` and `python -m evaluate check`")
    try:
        evaluation = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file}: is damaged: {error}; check again") from error
    converted, checked = known["conversions"].get("int8", {}), evaluation["model_version"]
    if converted.get("version") != checked:
        raise ValueError(
            f"{folder}: version {converted.get('version')} is converted, version {checked} was checked; check again"
        )
    uncertainty = evaluation["uncertainty"]
    if converted["confidence_threshold"] != (uncertainty["threshold"] if uncertainty["in_answers"] else None):
        raise ValueError(f"{folder}: the file was checked with another confidence threshold; check again")
    return known, evaluation


def report(folder: Path, data_dir: Path | None = None, page: Path | None = None) -> None:
    """Write the model card of a folder, its plots, and the tables of a page.

    Args:
        folder: with the model, metadata.json and evaluation.json.
        data_dir: the photos, if the metadata does not say where they are.
        page: has the marks of the tables. None: `PAGE` for the shipped model, else no page.

    Raises:
        ValueError: figures are missing or of different files, or the page lacks the marks.
        DataError: the photos are not those that the network was trained on.
    """
    known, evaluation = measured(folder)
    data_set = metadata.data_set_of(known, data_dir)
    draw(known, evaluation, folder, data_set)
    (folder / "README.md").write_text(card.card(known, evaluation), encoding="utf-8")
    print(f"wrote {folder / 'README.md'} and its plots")
    if page is None and folder == check.SHIPPED:
        page = PAGE
    if page is not None:
        page.write_text(with_tables(page.read_text(encoding="utf-8"), known), encoding="utf-8")
        print(f"wrote the tables of {page}")
