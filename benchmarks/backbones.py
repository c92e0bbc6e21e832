"""python -m benchmarks.backbones: every backbone and some input sizes, trained, converted and timed.

The backbones stay frozen: this takes minutes and compares them. `python -m train` without --epochs goes on from there.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from tqdm import tqdm

from benchmarks import machine
from benchmarks.environments import ROOT
from convert import verify
from train.backbones import BACKBONES, DEFAULT
from train.data import StoredPhoto

SIZES: Final = (96, 128, 160, 192, 224, 320)
_PHOTO: Final = StoredPhoto("cat", 0, str(ROOT / "examples" / "cat.jpg"))
_CALLS: Final = 60
_RUNTIMES: Final = {"int8": "dev", "float16": "tflite-runtime-test"}
"""The environment of the runtime that each precision is shipped for."""


class Variant(NamedTuple):
    """A network to measure: a key of `BACKBONES`, and the height and width of its input in pixels."""

    backbone: str
    size: int


VARIANTS: Final = (
    *(Variant(name, 160) for name in BACKBONES),
    *(Variant(DEFAULT, size) for size in SIZES if size != 160),
)


def make(variant: Variant, args: argparse.Namespace) -> None:
    """Train and convert what is not in the variant's folder yet."""
    folder = _folder(args.output, variant)
    weights = args.weights if variant.backbone == DEFAULT else args.other_weights
    shared = ["--cache-dir", str(args.output / "cache")]
    if not (folder / "model.keras").is_file():
        network = ["--backbone", variant.backbone, "--img-size", str(variant.size), "--weights", weights]
        run = ["--data-dir", str(args.data_dir), "--output", str(folder), "--epochs", "3", "--resume"]
        _python("train", *run, *network, *shared)
    if "conversions" not in json.loads((folder / "metadata.json").read_text()):
        accuracy = ["--max-accuracy-drop", "100", "--max-false-alarm-rate", "0"]
        _python("convert", "--model", str(folder / "model.keras"), "--quantize", *_RUNTIMES, *accuracy, *shared)


def _folder(output: Path, variant: Variant) -> Path:
    return output / f"{variant.backbone}-{variant.size}px"


def _python(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def measure(variant: Variant, output: Path) -> dict[str, Any]:
    """What is known of a variant, and the milliseconds of one inference of each of its files, once."""
    folder = _folder(output, variant)
    known = json.loads((folder / "metadata.json").read_text())
    model = known["models"][variant.backbone]
    int8 = known["conversions"]["int8"]
    (accuracy,) = (runtime["accuracy"] for runtime in int8["runtimes"].values())
    return {
        "parameters": model["parameters"],
        "trained": model["weights"] != "none",
        "keras_accuracy": model["test"]["frozen"]["accuracy"],
        "accuracy": accuracy,
        "bytes": int8["bytes"],
        "ms": {mode: _milliseconds(folder / known["conversions"][mode]["file"], mode) for mode in _RUNTIMES},
    }


def _milliseconds(file: Path, mode: str) -> float:
    python = ROOT / ".venv" / _RUNTIMES[mode] / "bin" / "python"
    return float(verify.measure_in(python, file, [_PHOTO] * _CALLS)["inference_ms"])


def table(found: dict[Variant, list[dict[str, Any]]]) -> str:
    """Markdown: one row for each variant, its times the medians of the rounds."""
    return "\n".join(_rows(found))


def _rows(found: dict[Variant, list[dict[str, Any]]]) -> Iterator[str]:
    yield "| backbone | input | Keras | int8 | weights | int8 file | int8 in LiteRT | float16 in tflite-runtime |"
    yield "|---|---|---|---|---|---|---|---|"
    for variant, rounds in found.items():
        one = rounds[0]
        accuracies = (f"{one[name]:.1%}" if one["trained"] else "-" for name in ("keras_accuracy", "accuracy"))
        times = (f"{statistics.median(each['ms'][mode] for each in rounds):.2f} ms" for mode in _RUNTIMES)
        columns = (
            BACKBONES[variant.backbone].title,
            f"{variant.size} px",
            *accuracies,
            f"{one['parameters'] / 1e6:.2f} M",
            f"{one['bytes'] / 1e6:.2f} MB",
            *times,
        )
        yield f"| {' | '.join(columns)} |"


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.backbones", description=__doc__.splitlines()[0])
    p.add_argument("--data-dir", type=Path, required=True, help="a folder with one sub-folder of photos per class")
    p.add_argument("--output", type=Path, default=Path("runs/backbones"), help="what is there is not made again")
    p.add_argument("--weights", default="imagenet", help=f"of {DEFAULT}: imagenet, none or a file")
    p.add_argument("--other-weights", default="imagenet", help="of the other backbones: imagenet or none")
    p.add_argument("--rounds", type=int, default=3, help="in which the files are timed in turns")
    args = p.parse_args(argv)
    for variant in tqdm(VARIANTS, desc="train and convert"):
        make(variant, args)
    found: dict[Variant, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    for _ in tqdm(range(args.rounds), desc="rounds"):
        for variant in VARIANTS:
            found[variant].append(measure(variant, args.output))
    print(f"{machine.title(machine.describe())}\n\n{table(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
