"""python -m convert: a trained network in, a .tflite file of each precision out, if it is accurate enough."""

import argparse
import sys
from pathlib import Path

from convert.modes import MODES
from train import programs


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m convert",
        description="Convert a trained .keras network to .tflite files that describe themselves, and verify each on "
        "the test split, from file bytes, as it is served. A file that is not accurate enough replaces nothing.",
        formatter_class=programs.HelpFormatter,
    )
    _add_files(p.add_argument_group("data and files"))
    _add_options(p.add_argument_group("conversion"))
    _add_criteria(p.add_argument_group("verification"))
    return p


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model", type=Path, default=Path("runs/cats_vs_dogs/model.keras"), help="the trained network, in its folder"
    )
    group.add_argument(
        "--output",
        type=Path,
        help="the file, of one precision; default: the network's name with .tflite or .float16.tflite",
    )
    group.add_argument("--data-dir", type=Path, help="the photos that the network was trained on, if they were moved")
    group.add_argument(
        "--cache-dir", type=Path, default=Path(".cache"), help="where the manifest of checked photos is cached"
    )


def _add_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--quantize",
        nargs="+",
        choices=MODES,
        default=["int8", "float16"],
        metavar="PRECISION",
        help=f"of weights and activations: {', '.join(MODES)}; a file for each",
    )
    group.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="test-time augmentation: answer from the photo and its mirror image, for twice the inference time",
    )
    group.add_argument(
        "--max-false-alarm-rate",
        type=rate,
        default=0.02,
        metavar="RATE",
        help="answers are `uncertain` below a confidence threshold, the highest one on the validation split for which "
        "the 99%% prediction interval of the false-alarm rate is at most RATE; 0: no threshold",
    )
    group.add_argument(
        "--calibration-photos",
        type=programs.count,
        default=300,
        help="photos of the training split that set int8's ranges",
    )
    group.add_argument(
        "--calibration-samples",
        type=programs.count,
        default=4,
        help="samples of so many photos that are tried; the file is kept that answers validation photos most as the "
        "network does",
    )
    group.add_argument("--seed", type=programs.seed, default=1, help="chooses these photos")


def _add_criteria(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-accuracy-drop",
        type=points,
        metavar="POINTS",
        help="largest drop below the network's accuracy, in percentage points; default: 0.3, or one test photo if that "
        "is more",
    )
    group.add_argument(
        "--runtime-python",
        type=Path,
        action="append",
        default=[],
        metavar="PYTHON",
        help="also verify in the runtime of this Python, such as .venv/tflite-runtime-test/bin/python",
    )


def rate(text: str) -> float:
    """A share of photos, of an argument."""
    if not 0 <= (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 and below 1")
    return number


def points(text: str) -> float:
    """Percentage points, of an argument."""
    if not 0 <= (number := float(text)) <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 100")
    return number


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = parser().parse_args(argv)
    if args.output and len(args.quantize) > 1:
        parser().error("--output names one file, and each precision gets its own: name one with --quantize")
    if args.output and (args.output.suffix != ".tflite" or args.output.is_dir()):
        parser().error("--output names a file that ends in .tflite")
    programs.prepare_tensorflow()
    try:
        from convert import run  # seconds of TensorFlow, which --help does without
        from train import data

        run.convert(args)
    except KeyboardInterrupt:  # first: it may come before the others are known
        print("\ninterrupted; an unfinished file replaces nothing", file=sys.stderr)
        return 130
    except (run.ConversionError, data.DataError, OSError) as error:
        print(f"error: {programs.message(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
