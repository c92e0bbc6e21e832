"""Runs one phase of training. A run can be interrupted anywhere and resumes from the step at which it was saved."""

import contextlib
import gc
import math
import re
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from train import batches, devices, distill, interrupts, models, progress, splits, workers
from train.data import DataError
from train.folder import Split
from train.phases import TEACHERS, Phase
from train.pixels import Pixels
from train.progress import Progress


class DivergedError(RuntimeError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Run:
    """What the phases of a run share.

    Attributes:
        photos: by split.
        folder: where the state of the run is kept. After every epoch, every `checkpoint_steps` steps, and when the run
            is interrupted, it holds all that a resumed run needs.
        batch_size: photos a step.
        seed: of the order and the augmentation of training photos.
        checkpoint_steps: steps of an epoch after which the state is saved.
        tensorboard: where TensorBoard logs go.
    """

    photos: dict[Split, splits.Photos]
    folder: Path
    batch_size: int
    seed: int
    checkpoint_steps: int = 500
    tensorboard: Path | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the training split."""
        return batches.steps_per_epoch(self.photos["train"], self.batch_size)


def run_phase(
    model: keras.Model, phase: Phase, run: Run, state: Progress, backgrounds: Pixels | None = None
) -> keras.Model:
    """Train for one phase, or for the rest of it, and return the model with the weights of the epoch that counts.

    Args:
        model: as the previous phase left it, or as `progress.save` wrote it in the middle of this one.
        state: of the run; updated.
        backgrounds: pictures of no class, for "distill"; see `batches.for_training`.

    Raises:
        DivergedError: the loss became NaN or infinite.
        DataError: a photo has changed since training began.
        KeyboardInterrupt: the run was interrupted; its state is saved.
    """
    if state.epoch == state.step == 0:
        model = _started(model, phase, run.folder)
        _compile(model, phase)
    if isinstance(model, distill.Student):
        model.teachers = distill.teachers(model, run.folder)
    while state.epoch < phase.epochs and (state.waited < phase.patience or phase.keeps_last):
        with interrupts.deferred() as interrupted, _errors_of_photos(), _pipeline_ended():
            _fit(model, phase, run, state, backgrounds, interrupted)
    model.load_weights(run.folder / "best.weights.h5")
    distill.bare(model).save_weights(run.folder / f"{phase.name}.weights.h5")
    return model


def _started(model: keras.Model, phase: Phase, folder: Path) -> keras.Model:
    """The network at the start of a phase: with its weights and its trainable layers."""
    if phase.name in TEACHERS:
        distill.bare(model).load_weights(folder / "frozen.weights.h5")
        models.unfreeze(model, phase.batch_norm_momentum)
    return distill.student(model, folder) if phase.name == "distill" else model


def _fit(
    model: keras.Model,
    phase: Phase,
    run: Run,
    state: Progress,
    backgrounds: Pixels | None,
    interrupted: threading.Event,
) -> None:
    """Train for the rest of the phase, or for the rest of an epoch that was interrupted."""
    epochs = range(state.epoch, state.epoch + 1 if state.step else phase.epochs)
    callbacks: list[keras.callbacks.Callback] = [_Epochs(phase, run, state, interrupted)]
    if run.tensorboard is not None:
        callbacks.append(keras.callbacks.TensorBoard(run.tensorboard / phase.name))
    outputs, validation = model.output_shape[1], run.photos["validation"]

    def training(replicas: batches.Replicas) -> tf.data.Dataset:
        return batches.for_training(
            run.photos["train"],
            run.batch_size,
            outputs=outputs,
            seed=run.seed + state.phase,
            epochs=epochs,
            first_step=state.step,
            backgrounds=backgrounds,
            replicas=replicas,
        )

    model.fit(
        devices.distributed(training),
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        steps_per_epoch=run.steps_per_epoch - state.step,
        validation_data=devices.distributed(
            lambda replicas: batches.in_order(validation, run.batch_size, outputs, replicas)
        ),
        validation_steps=batches.steps_per_epoch(validation, run.batch_size),
        callbacks=callbacks,
        shuffle=False,  # `batches` shuffles, so that a resumed run sees the same batches
    )


def _compile(model: keras.Model, phase: Phase) -> None:
    binary = model.output_shape[1] == 1
    loss = keras.losses.BinaryCrossentropy if binary else keras.losses.CategoricalCrossentropy
    accuracy = keras.metrics.BinaryAccuracy if binary else keras.metrics.CategoricalAccuracy
    # Of more than two labels, the mean AUC of each label against all others.
    labels = {} if binary else {"multi_label": True, "num_labels": model.output_shape[1]}
    model.compile(
        optimizer=keras.optimizers.AdamW(phase.learning_rate, weight_decay=phase.weight_decay),
        loss=loss(label_smoothing=phase.label_smoothing),
        metrics=[accuracy(name="accuracy"), keras.metrics.AUC(name="auc", **labels)],
        jit_compile=False,  # on a CPU, XLA is ten times slower than oneDNN's kernels for this network
    )
    # Where the first step makes variables, TensorFlow traces it twice.
    model.optimizer.build(model.trainable_variables)


class _Epochs(keras.callbacks.Callback):
    """Sets the learning rate; keeps the weights that count, the state and the history; ends what no longer improves.

    Keras has a callback for each of these. After an interruption they do not know the best accuracy, or how long
    they have waited. Its learning rate schedules are computed again for each weight in each step.
    """

    def __init__(self, phase: Phase, run: Run, state: Progress, interrupted: threading.Event) -> None:
        super().__init__()
        self._phase, self._run, self._state, self._interrupted = phase, run, state, interrupted

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.monotonic() - self._state.elapsed

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        steps = self._run.steps_per_epoch
        done = self._state.epoch * steps + self._state.step
        self.model.optimizer.learning_rate = self._phase.rate(done, steps * self._phase.epochs)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", math.nan)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss became {loss} in batch {batch}: lower the learning rate")
        stops = workers.any_of(self._interrupted.is_set())
        self._state.step += 1
        is_due = self._state.step % self._run.checkpoint_steps == 0 or stops
        if is_due and self._state.step < self._run.steps_per_epoch:
            self._state.elapsed = time.monotonic() - self._started
            self._save(stops=stops)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        stops = workers.any_of(self._interrupted.is_set())
        figures = {name: float(value) for name, value in (logs or {}).items()}
        state, seconds = self._state, round(time.monotonic() - self._started, 1)
        state.start_epoch()
        state.waited += 1
        state.history.append({"phase": self._phase.name, "epoch": epoch + 1, "seconds": seconds, **figures})
        # Of epochs that are as accurate, the later: its learning rate was lower. The loss would often choose an early
        # one, because it is that of a few mislabeled photos.
        if figures["val_accuracy"] >= state.best_accuracy or self._phase.keeps_last:
            state.best_accuracy, state.waited = figures["val_accuracy"], 0
            self.model.save_weights(self._run.folder / "best.weights.h5")
        if state.waited >= self._phase.patience:
            self.model.stop_training = True
        self._save(stops=stops)

    def _save(self, *, stops: bool) -> None:
        progress.save(self.model, self._state, self._run.folder)
        if stops:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _pipeline_ended() -> Iterator[None]:
    """End the input pipeline if the training within ends in an error.

    Keras leaves it to the garbage collector then. A thread of the pipeline that decodes photos for it may happen to
    collect, would wait for its own end, and could hold locks that others wait for.
    """
    try:
        yield
    except BaseException as error:
        gc.disable()
        *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
        for frame, _ in traceback.walk_stack(innermost):  # Keras leaves most of them out of the traceback
            with contextlib.suppress(RuntimeError):  # this one and its callers are still at work
                frame.clear()
        gc.collect()
        gc.enable()
        raise


@contextlib.contextmanager
def _errors_of_photos() -> Iterator[None]:
    """Raise a `DataError` of the input pipeline as itself, without the words that TensorFlow puts around it."""
    try:
        yield
    except tf.errors.OpError as error:
        if found := re.search("DataError: (.*)", error.message):
            raise DataError(found[1]) from error
        raise
