"""python -m train: photos in, models/cats_dogs.keras and models/metadata.json out."""

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf

from evaluate import metrics
from train import backgrounds, data, fit, metadata, models
from train.pixels import Pixels

MODEL_FILES = {"baseline": "baseline.keras", "mobilenetv2": "cats_dogs.keras"}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m train",
        description="Train an image classifier of two classes, evaluate it on the test split, and write "
        "OUTPUT/cats_dogs.keras (baseline: OUTPUT/baseline.keras) and OUTPUT/metadata.json. The data is TFDS "
        "cats_vs_dogs, downloaded on first use (TFDS_DATA_DIR says where to), or a folder of your own.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument("--model", choices=list(MODEL_FILES), default="mobilenetv2", help="which network")
    p.add_argument(
        "--epochs",
        type=_count,
        default=None,
        help="at the most; default: 3 for mobilenetv2's frozen phase, 12 for baseline",
    )
    p.add_argument(
        "--fine-tune-epochs",
        type=_count_or_none,
        default=None,
        help="epochs over all layers of mobilenetv2 after the frozen phase; default: 8, or 0 if --epochs is given",
    )
    p.add_argument(
        "--distill-epochs",
        type=_count_or_none,
        default=None,
        help="epochs of mobilenetv2 taught by two fine-tuned ones; 0: there is one, and it is the result; "
        "default: 6, or 0 if --epochs or --fine-tune-epochs is given",
    )
    p.add_argument(
        "--img-size",
        type=_size,
        default=160,
        help="height and width of the network's input, in pixels; a multiple of 32",
    )
    p.add_argument("--batch-size", type=_count, default=64, help="photos a step")
    p.add_argument("--learning-rate", type=_rate, default=1e-3, help="peak rate of the first phase")
    p.add_argument("--fine-tune-learning-rate", type=_rate, default=1.5e-4, help="peak rate of the fine-tuning")
    p.add_argument("--distill-learning-rate", type=_rate, default=1e-4, help="peak rate of the distillation")
    p.add_argument("--label-smoothing", type=float, default=0.02, help="of the fine-tuning")
    p.add_argument("--batch-norm-momentum", type=float, default=0.98, help="of the fine-tuning")
    p.add_argument(
        "--patience", type=_count, default=5, help="epochs without a lower validation loss before a phase ends"
    )
    p.add_argument("--seed", type=int, default=1, help="the same seed gives the same weights on the same machine")
    p.add_argument(
        "--weights", default="imagenet", help="where mobilenetv2 starts: imagenet (downloads), none, or a weights file"
    )
    p.add_argument(
        "--data-dir",
        type=Path,
        default=None,
        help="a folder with one sub-folder of photos a class, in place of cats_vs_dogs",
    )
    p.add_argument("--cache-dir", type=Path, default=Path(".cache"), help="where decoded photos are kept")
    p.add_argument("--output", type=Path, default=Path("models"), help="where the model goes")
    p.add_argument("--resume", action="store_true", help="go on with the run that was interrupted")
    p.add_argument("--tensorboard", type=Path, default=None, metavar="DIR", help="write TensorBoard logs there")
    return p


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _count_or_none(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _size(text: str) -> int:
    if (size := int(text)) < 32 or size % 32:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 32")
    return size


def _rate(text: str) -> float:
    if not 0 < (rate := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return rate


def phases(args: argparse.Namespace) -> list[fit.Phase]:
    """What the flags ask for."""
    if args.model == "baseline":
        return [fit.Phase("scratch", args.epochs or 12, args.learning_rate, args.patience)]
    # Whoever says how long a phase is wants no longer run than that, or says how long the next one is, too.
    fine_tune_epochs, distill_epochs = args.fine_tune_epochs, args.distill_epochs
    if distill_epochs is None:
        distill_epochs = 0 if args.epochs or fine_tune_epochs is not None else 6
    if fine_tune_epochs is None:
        fine_tune_epochs = 0 if args.epochs else 8
    frozen = fit.Phase("frozen", args.epochs or 3, args.learning_rate, args.patience)
    if not fine_tune_epochs:
        return [frozen]
    tuned = fit.Phase(
        "fine-tune", fine_tune_epochs, args.fine_tune_learning_rate, args.patience,
        label_smoothing=args.label_smoothing, batch_norm_momentum=args.batch_norm_momentum,
    )  # fmt: skip
    if not distill_epochs:
        return [frozen, tuned]
    again = replace(tuned, name="fine-tune-2")
    taught = replace(
        tuned, name="distill", epochs=distill_epochs, learning_rate=args.distill_learning_rate, label_smoothing=0.0
    )
    return [frozen, tuned, again, taught]


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, evaluate and write; returns what was written of this model into metadata.json."""
    keras.utils.set_random_seed(args.seed)
    tf.config.experimental.enable_op_determinism()
    source = data.Source(args.data_dir)
    photos = data.load(source, args.img_size, args.cache_dir)
    run_dir = args.output / "runs" / args.model
    progress, model = _begin(args, run_dir)
    todo = phases(args)
    while True:
        phase = todo[progress.phase]
        model = fit.run_phase(
            model,
            phase,
            photos,
            batch_size=args.batch_size,
            seed=args.seed,
            progress=progress,
            run_dir=run_dir,
            backgrounds=_backgrounds(model, source, photos["train"], run_dir) if phase.name == "distill" else None,
            tensorboard=args.tensorboard,
        )
        result = metrics.measure(photos["test"].labels, models.predict(model, photos["test"]))
        progress.results[phase.name] = result
        print(metrics.summary(f"{args.model}, {phase.name}, test split", result, source.labels))
        if progress.phase + 1 == len(todo):
            return _write(args, model, source, photos, todo, progress)
        progress.start_phase()
        fit.save(model, progress, run_dir)


def _backgrounds(model: keras.Model, source: data.Source, photos: data.Photos, run_dir: Path) -> Pixels:
    """Cut out when the phase begins, by the network that the one before has left; a resumed run reads them again."""
    file = run_dir / "backgrounds.npy"
    if not file.is_file():
        partial = file.with_suffix(".new.npy")
        np.save(partial, backgrounds.cut(model, source, photos))
        partial.replace(file)
    return np.asarray(np.load(file, mmap_mode="r"))


def _begin(args: argparse.Namespace, run_dir: Path) -> tuple[fit.Progress, keras.Model]:
    asked = {key: str(value) for key, value in vars(args).items() if key not in ("resume", "tensorboard", "cache_dir")}
    if args.resume and (run_dir / "progress.json").is_file():
        if json.loads((run_dir / "arguments.json").read_text()) != asked:
            raise data.DataError("--resume goes on with the very flags that the run was started with; they differ")
        return fit.load(run_dir)
    shutil.rmtree(run_dir, ignore_errors=True)
    run_dir.mkdir(parents=True)
    (run_dir / "arguments.json").write_text(json.dumps(asked))
    return fit.Progress(environment=metadata.environment()), models.build(args.model, args.img_size, args.weights)


def _write(
    args: argparse.Namespace,
    model: keras.Model,
    source: data.Source,
    photos: dict[data.Split, data.Photos],
    todo: list[fit.Phase],
    progress: fit.Progress,
) -> dict[str, Any]:
    file = args.output / MODEL_FILES[args.model]
    partial = file.with_suffix(".new.keras")
    # Without the optimizer's state, two thirds of the bytes: whoever fine-tunes further starts a new schedule anyway.
    model.compile()
    keras.Model(model.inputs, model.outputs, name=model.name).save(partial)
    partial.replace(file)
    history = args.output / "history" / f"{args.model}.json"
    history.parent.mkdir(exist_ok=True)
    history.write_text(json.dumps(progress.history, indent=1) + "\n")
    known = metadata.read(args.output)
    known["data"] = {
        "name": source.name,
        "version": source.version,
        "labels": list(source.labels),
        "positive_class": source.labels[1],
        "splits_percent": data.SPLITS,
        "photos": {split: len(part) for split, part in photos.items()},
        "skipped": sum(len(part.skipped) for part in photos.values()),
    }
    written = {
        "file": file.name,
        "bytes": file.stat().st_size,
        "parameters": model.count_params(),
        "input_size": args.img_size,
        "seed": args.seed,
        "batch_size": args.batch_size,
        "weights": "none" if args.model == "baseline" else Path(args.weights).name,
        "phases": [asdict(phase) for phase in todo],
        "epochs_run": {phase.name: sum(epoch["phase"] == phase.name for epoch in progress.history) for phase in todo},
        "phase_seconds": {phase.name: round(progress.seconds(phase.name)) for phase in todo},
        "test": progress.results,
        "environment": progress.environment,
    }
    known.setdefault("models", {})[args.model] = written
    metadata.write(args.output, known)
    print(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB) and {args.output / metadata.FILE}")
    return written


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = parser().parse_args(argv)
    try:
        train(args)
    except (data.DataError, fit.DivergedError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
