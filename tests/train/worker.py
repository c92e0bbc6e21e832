"""One of the workers that tests/train/test_workers.py starts, forked from a process that has imported TensorFlow."""

import os
import sys
from pathlib import Path

import keras
import pytest

from train import __main__ as cli
from train import fit


def without_dropout(_layer: keras.layers.Layer, inputs: object, training: bool = False) -> object:
    """In place of `Dropout.call`: each device would draw its own."""
    return inputs


class Signaled(fit._Epochs):
    """Gets the signal in $SIGNAL in the third step of an epoch."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if batch == 2:
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
        super().on_train_batch_end(batch, logs)


def run(place: Path, flags: list[str], variables: dict[str, str]) -> None:
    """Train on `photos` beside the folder of this worker. What it prints goes to files beside the folder."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(place.with_suffix(f".{name}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(place)
    os.environ.update(variables)
    patch = pytest.MonkeyPatch()  # the process ends with what it has patched
    patch.setattr(keras.layers.Dropout, "call", without_dropout)
    if "SIGNAL" in os.environ:
        patch.setattr(fit, "_Epochs", Signaled)
    sys.exit(cli.main(["--data-dir", "../photos", "--output", "run", "--cache-dir", "cache", *flags]))
