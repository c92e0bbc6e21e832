"""A training run from photos to a network, its metadata and its history."""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from evaluate import metrics
from train import backgrounds, data, fit, metadata, models, progress
from train.phases import Phase, phases
from train.pixels import Pixels
from train.progress import Progress

MODEL_FILES: Final = {"baseline": "baseline.keras", "mobilenetv2": "cats_dogs.keras"}

_NOT_COMPARED: Final = ("resume", "tensorboard", "cache_dir")  # flags that a resumed run may change


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, measure and write; returns the part of metadata.json about this network.

    Raises:
        data.DataError: the data or the flags cannot be used.
        fit.DivergedError: the loss became NaN or infinite.
        FileNotFoundError: there is no weights file.
    """
    keras.utils.set_random_seed(args.seed)
    tf.config.experimental.enable_op_determinism()
    source = data.Source(args.data_dir)
    folder = args.output / "runs" / args.model
    state, model = _begin(args, folder)
    photos = data.load(source, args.img_size, args.cache_dir)
    run = fit.Run(photos, folder, args.batch_size, args.seed, args.tensorboard)
    todo = phases(args)
    model = _train_phases(model, todo, run, state, source)
    file = _write_model(model, args.output / MODEL_FILES[args.model])
    return _write_metadata(args, file, model.count_params(), _about_data(source, photos), todo, state)


def _begin(args: argparse.Namespace, folder: Path) -> tuple[Progress, keras.Model]:
    """The interrupted run that --resume asks for, or a new one."""
    asked = {key: str(value) for key, value in vars(args).items() if key not in _NOT_COMPARED}
    if args.resume and (folder / "progress.json").is_file():
        if json.loads((folder / "arguments.json").read_text()) != asked:
            raise data.DataError("--resume needs the same flags as the interrupted run; they differ")
        return progress.load(folder)
    model = models.build(args.model, args.img_size, args.weights)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "arguments.json").write_text(json.dumps(asked))
    return Progress(environment=metadata.environment()), model


def _train_phases(
    model: keras.Model, todo: list[Phase], run: fit.Run, state: Progress, source: data.Source
) -> keras.Model:
    """Train all phases that are left, and measure the network after each on the test split."""
    while True:
        phase = todo[state.phase]
        pieces = _backgrounds(model, source, run) if phase.name == "distill" else None
        model = fit.run_phase(model, phase, run, state, pieces)
        test = run.photos["test"]
        result = metrics.measure(test.labels, models.predict(model, test))
        state.results[phase.name] = result
        print(metrics.summary(f"{model.name}, {phase.name}, test split", result, source.labels))
        if state.phase + 1 == len(todo):
            return model
        state.start_phase()
        progress.save(model, state, run.folder)


def _backgrounds(model: keras.Model, source: data.Source, run: fit.Run) -> Pixels:
    """Cut with the network of the previous phase when the phase begins; a resumed run reads them from its folder."""
    file = run.folder / "backgrounds.npy"
    if not file.is_file():
        partial = file.with_suffix(".new.npy")
        np.save(partial, backgrounds.cut(model, source, run.photos["train"]))
        partial.replace(file)
    return np.asarray(np.load(file, mmap_mode="r"))


def _write_model(model: keras.Model, file: Path) -> Path:
    """Write the network without the optimizer's state, which is two thirds of the bytes."""
    model.compile()
    partial = file.with_suffix(".new.keras")
    keras.Model(model.inputs, model.outputs, name=model.name).save(partial)
    return partial.replace(file)


def _about_data(source: data.Source, photos: dict[data.Split, data.Photos]) -> dict[str, Any]:
    return {
        "name": source.name,
        "version": source.version,
        "labels": list(source.labels),
        "positive_class": source.labels[1],
        "splits_percent": data.SPLITS,
        "photos": {split: len(part) for split, part in photos.items()},
        "skipped": sum(len(part.skipped) for part in photos.values()),
    }


def _write_metadata(
    args: argparse.Namespace,
    file: Path,
    parameters: int,
    about_data: dict[str, Any],
    todo: list[Phase],
    state: Progress,
) -> dict[str, Any]:
    history = args.output / "history" / f"{args.model}.json"
    history.parent.mkdir(exist_ok=True)
    history.write_text(json.dumps(state.history, indent=1) + "\n")
    written = {
        "file": file.name,
        "bytes": file.stat().st_size,
        "parameters": parameters,
        "input_size": args.img_size,
        "seed": args.seed,
        "batch_size": args.batch_size,
        "weights": "none" if args.model == "baseline" else Path(args.weights).name,
        "phases": [asdict(phase) for phase in todo],
        "epochs_run": {phase.name: sum(epoch["phase"] == phase.name for epoch in state.history) for phase in todo},
        "phase_seconds": {phase.name: round(state.seconds(phase.name)) for phase in todo},
        "test": state.results,
        "environment": state.environment,
    }
    known = metadata.read(args.output)
    known["data"] = about_data
    known.setdefault("models", {})[args.model] = written
    metadata.write(args.output, known)
    print(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB) and {args.output / metadata.FILE}")
    return written
