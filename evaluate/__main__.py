"""python -m evaluate: measure a model file against its acceptance criteria, and write the card and the tables."""

import argparse
import sys
from pathlib import Path

from train import programs


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m evaluate", description=__doc__)
    commands = p.add_subparsers(dest="command", required=True)
    _add_check(commands)
    report = commands.add_parser(
        "report",
        help="write the model card and its plots",
        description="Write MODELS/README.md (the model card) and its plots from MODELS/metadata.json and "
        "MODELS/evaluation.json. Figures of different files are refused.",
        formatter_class=programs.HelpFormatter,
    )
    report.add_argument("--models", type=Path, default=Path("models"), help="the folder with the model")
    report.add_argument("--data-dir", type=Path, help="the photos that the network was trained on, if they were moved")
    report.add_argument(
        "--tables", type=Path, help="also write the result tables in this file; default: docs/training.md for models/"
    )
    _add_publish(commands)
    return p


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check",
        help="measure a model file and compare the figures with the acceptance criteria",
        description="Run a .tflite file as it is served on the test split, on corruptions of it, on "
        "out-of-distribution images, and on an external test set. Write evaluation.json beside the file, and print "
        "which acceptance criteria hold. Exit status 1: one fails.",
        formatter_class=programs.HelpFormatter,
    )
    check.add_argument("--model", type=Path, default=Path("models/cats_dogs.tflite"), help="the file to measure")
    check.add_argument("--data-dir", type=Path, help="the photos that the network was trained on, if they were moved")
    check.add_argument(
        "--criteria",
        type=Path,
        help="acceptance criteria; default: criteria.toml beside the model, or of the same photos in models/",
    )
    check.add_argument("--photos", type=Path, help="an external test set: a folder with one sub-folder per class")
    check.add_argument(
        "--out-of-distribution",
        type=Path,
        metavar="FOLDER",
        help="a folder of photos that show none of the classes, in addition to those in installed Python packages",
    )


def _add_publish(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    publish = commands.add_parser(
        "publish",
        help="replace the shipped model with that of a run",
        description="Replace all files of the shipped model with those of a run: network, int8 file for LiteRT, "
        "float16 file for tflite-runtime, metadata, card and plots; all of them or none.",
        formatter_class=programs.HelpFormatter,
    )
    publish.add_argument("run", type=Path, help="the folder of the run, such as runs/cats_vs_dogs")
    publish.add_argument("--to", type=Path, default=Path("models"), help="the folder of the shipped model")
    publish.add_argument("--data-dir", type=Path, help="the photos that the network was trained on, if they were moved")


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    args = parser().parse_args(argv)
    programs.prepare_tensorflow()
    try:
        from evaluate import check, publish, report  # seconds of TensorFlow, which --help does without

        if args.command == "check":
            return 1 if check.check(args) else 0
        if args.command == "publish":
            publish.publish(args.run, args.to, args.data_dir)
        else:
            report.report(args.models, args.data_dir, args.tables)
    except (OSError, ValueError) as error:
        print(f"error: {programs.message(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was replaced", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
