"""python -m train: photos in; a network, its metadata and its history out, in a folder of their own."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from train import phases, programs
from train.backbones import BACKBONES, BASELINE, DEFAULT, NETWORKS


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m train",
        description="Train an image classifier of two classes or more, measure it on the test split, and write "
        "OUTPUT/model.keras (baseline: OUTPUT/baseline.keras) and OUTPUT/metadata.json. The data is a folder of your "
        "own, or TFDS cats_vs_dogs, which TFDS downloads on first use into TFDS_DATA_DIR.",
        formatter_class=programs.HelpFormatter,
    )
    _add_files(p.add_argument_group("data and files"))
    _add_network(p.add_argument_group("network"))
    _add_epochs(p.add_argument_group("epochs"))
    _add_rates(p.add_argument_group("optimization"))
    return p


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--data-dir", type=Path, help="a folder with one sub-folder of photos per class, in place of cats_vs_dogs"
    )
    group.add_argument(
        "--positive-class",
        help="of two classes, the one whose probability is answered; default: the second in alphabetical order",
    )
    group.add_argument(
        "--cache-dir", type=Path, default=Path(".cache"), help="where the manifest of checked photos is cached"
    )
    group.add_argument(
        "--output", type=Path, help="the folder for the network and its metadata; default: runs/NAME of the data"
    )
    group.add_argument("--resume", action="store_true", help="continue the interrupted run, if there is one")
    group.add_argument("--overwrite", action="store_true", help="start over, and replace what the folder holds")
    group.add_argument(
        "--checkpoint-steps",
        type=programs.count,
        default=500,
        help="steps after which --resume can continue, beside epochs",
    )
    group.add_argument("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard logs to DIR")


def _add_network(group: argparse._ArgumentGroup) -> None:
    either = group.add_mutually_exclusive_group()  # the later of both would win
    network: dict[str, Any] = {"dest": "model", "choices": NETWORKS, "default": DEFAULT, "metavar": "NAME"}
    either.add_argument(
        "--model",
        help=f"the network: a backbone with ImageNet weights ({', '.join(BACKBONES)}), or {BASELINE}: a small CNN",
        **network,
    )
    either.add_argument("--backbone", help="the same", **network)
    group.add_argument(
        "--img-size", type=size, default=160, help="height and width of its input, in pixels; a multiple of 32"
    )
    group.add_argument(
        "--weights",
        default="imagenet",
        help="initial weights of the backbone: imagenet (Keras downloads them), none (random), or a file",
    )


def _add_epochs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--epochs", type=programs.count, help="most epochs of the first phase; default: 3, or 12 for baseline"
    )
    group.add_argument(
        "--fine-tune-epochs",
        type=epochs,
        help="most epochs that train all layers of the backbone; default: 8, or 0 with --epochs",
    )
    group.add_argument(
        "--distill-epochs",
        type=epochs,
        help="epochs that distill two fine-tuned networks into one; 0: fine-tune one network only; "
        "default: 6, or 0 with --epochs or --fine-tune-epochs",
    )
    group.add_argument(
        "--patience",
        type=programs.count,
        default=5,
        help="epochs below the highest validation accuracy so far that end a phase, but not the distillation",
    )


def _add_rates(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--batch-size",
        type=programs.count,
        help="photos per step; default: 64, fewer for less than 2,048 training photos",
    )
    group.add_argument("--learning-rate", type=rate, default=1e-3, help="peak learning rate of the first phase")
    group.add_argument("--fine-tune-learning-rate", type=rate, default=1.5e-4, help="the same, of the fine-tuning")
    group.add_argument("--distill-learning-rate", type=rate, default=1e-4, help="the same, of the distillation")
    group.add_argument("--label-smoothing", type=share, default=0.02, help="of the fine-tuning")
    group.add_argument("--batch-norm-momentum", type=share, default=0.98, help="of the fine-tuning")
    group.add_argument(
        "--strategy", choices=["auto", "none", "mirrored", "multiworker"], default="auto",
        help="mirrored: share each batch among all GPUs of this machine; multiworker: of all machines in TF_CONFIG; "
        "auto: what there is",
    )  # fmt: skip
    group.add_argument(
        "--precision", choices=["auto", "float32", "mixed_float16"], default="auto",
        help="of the computation; auto: mixed_float16 on a GPU; the network that is written is float32",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=programs.seed, default=1, help="the same seed gives the same weights on the same machine"
    )


def epochs(text: str) -> int:
    """A number of epochs, of an argument; 0: none."""
    return 0 if text == "0" else programs.count(text)


def size(text: str) -> int:
    """Height and width of an input, of an argument."""
    if (pixels := int(text)) < 32 or pixels % 32:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 32")
    return pixels


def rate(text: str) -> float:
    """A learning rate, of an argument."""
    if not 0 < (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def share(text: str) -> float:
    """A share that may be none, of an argument."""
    return 0.0 if text == "0" else rate(text)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = (flags := parser()).parse_args(argv)
    try:
        phases.phases(args)
    except ValueError as error:
        flags.error(str(error))
    programs.prepare_tensorflow()
    try:
        from train import data, fit, progress, run, workers  # seconds of TensorFlow, which --help does without

        run.train(args)
    except KeyboardInterrupt:  # first: it may come before the others are known
        print("\ninterrupted; continue with the same command and --resume", file=sys.stderr)
        return 130
    except (data.DataError, fit.DivergedError, progress.DamagedError, workers.ClusterError, OSError) as error:
        print(f"error: {programs.message(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Kubernetes and SageMaker end a process so
    sys.exit(main())
