"""python -m evaluate report: the result tables in docs/training.md, the model card, its plots; no figure is typed."""

import json
from pathlib import Path
from typing import Any, Final

from evaluate import card, check, marks, plots
from train import data, metadata

BEGIN: Final = "<!-- results: written by `python -m evaluate report` -->"
END: Final = "<!-- end of results -->"

_NAMES: Final = {
    ("baseline", "scratch"): "small CNN, from scratch",
    ("mobilenetv2", "frozen"): "MobileNetV2, frozen backbone",
    ("mobilenetv2", "fine-tune"): "MobileNetV2, fine-tuned",
    ("mobilenetv2", "fine-tune-2"): "MobileNetV2, fine-tuned once more",
    ("mobilenetv2", "distill"): "MobileNetV2, taught by these two",
}


def tables(known: dict[str, Any]) -> str:
    """Both tables, as Markdown: the networks, and what each precision makes of the shipped one.

    Raises:
        KeyError: `known` lacks a figure: train or convert first.
    """
    test = known["data"]["photos"]["test"]
    lines = [
        f"On the {test:,} photos of the test split of {known['data']['name']} {known['data']['version']}:",
        "",
        "| network (Keras) | accuracy (95% interval) | AUC | log loss | weights | trained in |",
        "|---|---|---|---|---|---|",
    ]
    for name, model in known["models"].items():
        for phase, result in model["test"].items():
            seconds = model["phase_seconds"][phase]
            lines.append(
                f"| {_NAMES[name, phase]} | {card.accuracy(result)} | {result['auc']:.4f} | {result['log_loss']:.4f} "
                f"| {model['parameters'] / 1e6:.2f} M | {seconds / 60:.0f} min |"
            )
    columns = ("`.tflite`", "runtime", "accuracy (95% interval)", "AUC", "agrees with Keras", "size", "inference")
    lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for mode, conversion in known["conversions"].items():
        for runtime, result in conversion["runtimes"].items():
            lines.append(
                f"| {mode} | {runtime} | {card.accuracy(result)} | {result['auc']:.4f} | {result['agreement']:.2%} "
                f"| {conversion['bytes'] / 1e6:.2f} MB | {result['inference_ms']:.2f} ms |"
            )
    if any(conversion["mirrored"] for conversion in known["conversions"].values()):
        lines += ["", "A file looks at the photo and at its mirror image, as does Keras where it is compared with one."]
    return "\n".join(lines)


def with_tables(text: str, known: dict[str, Any]) -> str:
    """The text with everything between the two marks replaced.

    Raises:
        ValueError: a mark is missing.
    """
    return marks.replaced(text, BEGIN, END, tables(known))


def draw(known: dict[str, Any], evaluation: dict[str, Any], models_dir: Path, source: data.Source) -> None:
    """The plots of the card, into `models_dir`/plots."""
    test, labels = evaluation["test"], known["data"]["labels"]
    histories = {
        name: json.loads((models_dir / "history" / f"{name}.json").read_text()) for name in ("baseline", "mobilenetv2")
    }
    figures = {
        "roc": plots.roc(test, labels[1]),
        "reliability": plots.reliability(test, labels[1]),
        "confusion": plots.confusion(test, labels),
        "curves": plots.curves(histories),
        "mistakes": plots.mistakes(test, source, labels[1]),
    }
    for name, figure in figures.items():
        plots.save(figure, models_dir / "plots" / f"{name}.png")


def main(page: Path = Path("docs/training.md"), models_dir: Path = Path("models")) -> int:
    """Bring the tables, the model card and its plots up to date; returns the exit status."""
    known = metadata.read(models_dir)
    evaluation = json.loads((models_dir / check.FILE).read_text())
    page.write_text(with_tables(page.read_text(encoding="utf-8"), known), encoding="utf-8")
    (models_dir / "README.md").write_text(card.card(known, evaluation), encoding="utf-8")
    draw(known, evaluation, models_dir, data.Source())
    print(f"{page}, {models_dir / 'README.md'} and its plots have the figures of {models_dir / metadata.FILE}")
    return 0
