"""A training run from photos to a network, its metadata and its history."""

import argparse
import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from evaluate import metrics
from train import backgrounds, batch_norm, batches, data, devices, fit, metadata, models, progress, splits, workers
from train.backbones import BASELINE
from train.folder import Split
from train.learner import Learner
from train.phases import Phase, phases
from train.pixels import Pixels
from train.progress import Progress

_NOT_COMPARED: Final = (
    "resume", "overwrite", "output", "tensorboard", "cache_dir", "data_dir", "checkpoint_steps", "strategy",
)  # fmt: skip
_OF_BACKBONES: Final = (
    "weights", "fine_tune_epochs", "fine_tune_learning_rate", "distill_epochs", "distill_learning_rate",
    "label_smoothing", "batch_norm_momentum",
)  # fmt: skip


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, measure and write; returns the part of metadata.json about this network.

    Nothing is deleted before the flags, the weights and the photos have been checked.

    Raises:
        data.DataError: the data or the flags cannot be used.
        fit.DivergedError: the loss became NaN or infinite.
        progress.DamagedError: the state of the interrupted run cannot be read.
        workers.ClusterError: the other workers are lost, or have other flags or photos.
        FileNotFoundError: there is no weights file.
    """
    keras.utils.set_random_seed(args.seed)
    tf.config.experimental.enable_op_determinism()
    devices.set_precision(args.precision)
    try:
        with devices.strategy(args.strategy).scope():
            return _with_others(args) if workers.several() else _train(args)
    finally:
        devices.set_precision("float32")


def _with_others(args: argparse.Namespace) -> dict[str, Any]:
    """Train as one of several workers. What is not the chief says nothing, and its files are temporary."""
    try:
        if workers.is_chief():
            return _train(args)
        with tempfile.TemporaryDirectory() as place, Path(os.devnull).open("w") as nowhere:
            elsewhere = {"output": Path(place, "run"), "cache_dir": Path(place, "cache"), "tensorboard": None}
            with contextlib.redirect_stdout(nowhere):
                return _train(argparse.Namespace(**vars(args) | elsewhere))
    except tf.errors.OpError as error:
        raise workers.ClusterError(
            "the connection to the other workers is lost: see their messages, and start all again with --resume"
        ) from error


def _train(args: argparse.Namespace) -> dict[str, Any]:
    data_set = data.open_data_set(args.data_dir, args.positive_class)
    if table := data_set.table():
        print(table)
    if why := data_set.too_few():
        raise data.DataError(f"{data_set.name}: {why}")
    output = args.output or Path("runs") / data_set.name
    folder = output / "state" / args.model
    unused = (*_NOT_COMPARED, *_OF_BACKBONES) if args.model == BASELINE else _NOT_COMPARED
    asked = {key: str(value) for key, value in vars(args).items() if key not in unused}
    asked["data"] = data_set.identity()
    if workers.any_of(workers.is_chief() and _is_finished(args, output, folder, asked)):
        print(f"{output / _file(args.model)}: the run is finished")
        return dict(metadata.read(output).get("models", {}).get(args.model, {}))
    resumes = _agreed(args, data_set, output, folder, asked)
    state, model = progress.load(folder) if resumes else _new(args, data_set, _network_in(output, args.model))
    photos = _photos(args, data_set)
    if not resumes:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "arguments.json").write_text(json.dumps(asked))
    _warn_of_imbalance(data_set, photos["train"])
    batch_size = args.batch_size or batches.default_size(photos["train"])
    run = fit.Run(photos, folder, batch_size, args.seed, args.checkpoint_steps, args.tensorboard)
    todo = phases(args)
    model = _train_phases(model, todo, run, state, data_set)
    file = _write_model(model, args, output / _file(args.model))
    written = {**_about_network(args, file, model, todo, state), "batch_size": batch_size}
    _write_metadata(args, output, written, _about_data(data_set, photos))
    _write_history(output / "history" / f"{args.model}.json", state)
    state.finished = True
    progress.save(model, state, folder)
    return written


def _photos(args: argparse.Namespace, data_set: data.DataSet) -> dict[Split, splits.Photos]:
    """The photos by split. The chief checks them, and gives the others its manifest."""
    photos = splits.load(data_set, args.img_size, args.cache_dir) if workers.is_chief() else None
    workers.share(args.cache_dir, splits.manifest(data_set, args.img_size, args.cache_dir).name)
    return photos or splits.load(data_set, args.img_size, args.cache_dir)


def _agreed(
    args: argparse.Namespace, data_set: data.DataSet, output: Path, folder: Path, asked: dict[str, str]
) -> bool:
    """As `_resumes`: the chief decides, and the other workers get the state of its run."""
    resumes = workers.any_of(workers.is_chief() and _resumes(args, data_set, output, folder, asked))
    if not workers.agree(json.dumps(asked)):
        raise workers.ClusterError("the workers have different flags or photos: start all with the same")
    if resumes:
        workers.share(folder)
    return resumes


def _file(network: str) -> str:
    return f"{BASELINE if network == BASELINE else 'model'}.keras"


def _is_finished(args: argparse.Namespace, output: Path, folder: Path, asked: dict[str, str]) -> bool:
    """Whether there is nothing to resume: a job that is started again after its end succeeds."""
    if not args.resume or _network_in(output, args.model) != args.model:
        return False
    return Progress.read(folder).finished and _arguments(folder) == asked


def _network_in(output: Path, model: str) -> str:
    """The network whose file stands where this one's goes, if there is one; all backbones have the same."""
    known = metadata.read(output).get("models", {})
    there = (output / _file(model)).is_file()
    return next((name for name, one in known.items() if there and one.get("file") == _file(model)), "")


def _arguments(folder: Path) -> Any:
    """Of the run whose state is in the folder; None if they cannot be read."""
    try:
        return json.loads((folder / "arguments.json").read_text())
    except (OSError, ValueError):
        return None


def _resumes(
    args: argparse.Namespace, data_set: data.DataSet, output: Path, folder: Path, asked: dict[str, str]
) -> bool:
    """Whether the run continues an interrupted one. Refuses to mix runs, or to replace one without --overwrite."""
    trained_on = metadata.read(output).get("data")
    if trained_on and trained_on.get("identity") != data_set.identity():
        raise data.DataError(
            f"{output}: holds networks trained on other photos; name another folder with --output "
            "(make: RUN=), or delete it"
        )
    if args.overwrite and not args.resume:
        return False
    state = Progress.read(folder)
    unfinished = (folder / "progress.json").is_file() and not state.finished
    if unfinished and args.resume:
        if not args.overwrite and (other := _network_in(output, args.model)) not in ("", args.model, state.replaces):
            file = output / _file(args.model)
            raise data.DataError(f"{file}: is {other} by now; replace it with --overwrite, or name another --output")
        if _arguments(folder) != asked:
            raise data.DataError("--resume needs the same flags and photos as the interrupted run; they differ")
        return True
    if unfinished and not args.overwrite:
        raise data.DataError(f"{folder}: holds an interrupted run; continue it with --resume, or use --overwrite")
    if (output / _file(args.model)).is_file() and not args.overwrite:
        file = output / _file(args.model)
        keep = "" if args.resume else "keep it with --resume, "
        raise data.DataError(f"{file}: exists; replace it with --overwrite, {keep}or name another folder with --output")
    return False


def _new(args: argparse.Namespace, data_set: data.DataSet, replaces: str) -> tuple[Progress, keras.Model]:
    network = models.build(args.model, args.img_size, args.weights, models.outputs(data_set.labels))
    model = Learner.of(batch_norm.fused(network))
    devices.share_statistics(model)
    return Progress(environment=metadata.environment(), replaces=replaces), model


def _warn_of_imbalance(data_set: data.DataSet, photos: splits.Photos) -> None:
    if batches.class_weights(photos) is not None:
        counts = dict(zip(data_set.labels, np.bincount(photos.labels).tolist(), strict=True))
        extremes = {max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)}
        numbers = ", ".join(f"{count:,} of {label}" for label, count in counts.items() if label in extremes)
        print(f"warning: the training photos are imbalanced ({numbers}); photos of rare classes weigh more in the loss")


def _train_phases(
    model: keras.Model, todo: list[Phase], run: fit.Run, state: Progress, data_set: data.DataSet
) -> keras.Model:
    """Train all phases that are left, and measure the network after each on the test split."""
    while True:
        phase = todo[state.phase]
        pieces = _backgrounds(model, run) if phase.name == "distill" else None
        model = fit.run_phase(model, phase, run, state, pieces)
        test = run.photos["test"]
        result = metrics.measure(test.labels, models.predict(model, test))
        state.results[phase.name] = result
        print(metrics.summary(f"{model.name}, {phase.name}, test split", result, data_set.labels))
        if state.phase + 1 == len(todo):
            return model
        state.start_phase()
        progress.save(model, state, run.folder)


def _backgrounds(model: keras.Model, run: fit.Run) -> Pixels:
    """Cut with the network of the previous phase when the phase begins; a resumed run reads them from its folder."""
    file = run.folder / "backgrounds.npy"
    if not file.is_file():
        partial = file.with_suffix(".new.npy")
        np.save(partial, backgrounds.cut(model, run.photos["train"]))
        partial.replace(file)
    return np.asarray(np.load(file, mmap_mode="r"))


def _write_model(model: keras.Model, args: argparse.Namespace, file: Path) -> Path:
    """Write the network of Keras's own layers in float32, whatever trained it: a file converts, and loads anywhere."""
    keras.config.set_dtype_policy("float32")
    network = models.build(args.model, args.img_size, "none", model.output_shape[1])
    network.set_weights(model.get_weights())
    partial = file.with_suffix(".new.keras")
    network.save(partial)
    return partial.replace(file)


def _about_data(data_set: data.DataSet, photos: dict[Split, splits.Photos]) -> dict[str, Any]:
    return {
        "name": data_set.name,
        "version": data_set.version,
        "identity": data_set.identity(),
        "labels": list(data_set.labels),
        **({} if (positive := data.positive(data_set.labels)) is None else {"positive_class": positive}),
        "photos": {split: len(part) for split, part in photos.items()},
        "skipped": sum(len(part.skipped) for part in photos.values()),
    }


def _about_network(
    args: argparse.Namespace, file: Path, model: keras.Model, todo: list[Phase], state: Progress
) -> dict[str, Any]:
    return {
        "file": file.name,
        "bytes": file.stat().st_size,
        "parameters": model.count_params(),
        "input_size": args.img_size,
        "seed": args.seed,
        "weights": "none" if args.model == BASELINE else Path(args.weights).name,
        "phases": [asdict(phase) for phase in todo],
        "epochs_run": {phase.name: sum(epoch["phase"] == phase.name for epoch in state.history) for phase in todo},
        "phase_seconds": {phase.name: round(state.seconds(phase.name)) for phase in todo},
        "test": state.results,
        "environment": state.environment,
    }


def _write_metadata(
    args: argparse.Namespace, output: Path, written: dict[str, Any], about_data: dict[str, Any]
) -> None:
    """Add the network to metadata.json. What is known of a network in the same file, and of its conversions, goes."""
    known = metadata.read(output)
    known["data"] = about_data
    known["data_dir"] = None if args.data_dir is None else str(args.data_dir.resolve())
    models = known.get("models", {})
    replaced = {args.model} | {name for name, one in models.items() if one["file"] == written["file"]}
    known["models"] = {**{name: one for name, one in models.items() if name not in replaced}, args.model: written}
    conversions = known.get("conversions", {})
    known["conversions"] = {mode: one for mode, one in conversions.items() if one["network"] not in replaced}
    metadata.write(output, known)
    print(f"wrote {output / written['file']} ({written['bytes'] / 1e6:.1f} MB) and {output / metadata.FILE}")


def _write_history(file: Path, state: Progress) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(state.history, indent=1) + "\n")
