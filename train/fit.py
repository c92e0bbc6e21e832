"""Runs one phase of training after another, so that a run can be interrupted anywhere and go on from its last epoch."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np
import tensorflow as tf

from train import batches, data, models
from train.pixels import Pixels

PhaseName = Literal["scratch", "frozen", "fine-tune", "fine-tune-2", "distill"]
TEACHERS: Final[tuple[PhaseName, ...]] = ("fine-tune", "fine-tune-2")


class DivergedError(RuntimeError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Phase:
    """What is trained, for how long and how fast.

    Attributes:
        name: "scratch" trains every layer of a new network, "frozen" the head on a frozen backbone, "fine-tune" every
            layer of what "frozen" has left, and "fine-tune-2" does so once more with other crops in another order.
            "distill" starts from the mean of both networks' weights (Wortsman et al. 2022, arXiv:2203.05482) and
            learns what the two answer, not the labels (Beyer et al. 2022, arXiv:2106.05237), and that backgrounds
            are evidence for no class.
        epochs: at the most.
        learning_rate: the peak; it rises over the first twentieth of the steps and falls to zero along a cosine.
        patience: epochs without a lower validation loss before the phase ends.
        weight_decay: of AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
        label_smoothing: how far the targets 0 and 1 are drawn towards 1/2.
        batch_norm_momentum: of the moving averages, while fine-tuning.
    """

    name: PhaseName
    epochs: int
    learning_rate: float
    patience: int = 5
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    batch_norm_momentum: float = 0.98


@dataclass
class Progress:
    """Where a run stands: what `progress.json` holds, beside the weights."""

    phase: int = 0
    epoch: int = 0
    best_loss: float = math.inf
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    random_states: list[list[int]] = field(default_factory=list)

    def seconds(self, phase: PhaseName) -> float:
        """Time spent in the epochs of a phase, those before an interruption included."""
        return sum(epoch["seconds"] for epoch in self.history if epoch["phase"] == phase)

    def start_phase(self) -> None:
        """Begin the next phase."""
        self.phase, self.epoch, self.best_loss, self.waited = self.phase + 1, 0, math.inf, 0

    @classmethod
    def read(cls, folder: Path) -> "Progress":
        """The progress of an interrupted run, or that of a new one."""
        file = folder / "progress.json"
        return cls(**json.loads(file.read_text())) if file.is_file() else cls()


def run_phase(
    model: keras.Model,
    phase: Phase,
    photos: dict[data.Split, data.Photos],
    *,
    batch_size: int,
    seed: int,
    progress: Progress,
    run_dir: Path,
    backgrounds: Pixels | None = None,
    tensorboard: Path | None = None,
) -> keras.Model:
    """Train for one phase, or for what is left of it, and return the model with the weights of its best epoch.

    After every epoch `run_dir` holds all that a later call needs to go on as if nothing had happened.

    Args:
        model: as the phase before left it, or as `save` left it in the middle of this one.
        progress: where the run stands; updated.
        backgrounds: pictures of no class, for "distill"; see `batches.for_training`.

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    steps = batches.steps_per_epoch(photos["train"], batch_size)
    if progress.epoch == 0:
        model = _started(model, phase, run_dir)
        _compile(model, phase, steps)
    if isinstance(model, Student):
        model.teachers = _teachers(model, run_dir)
    if progress.epoch < phase.epochs and progress.waited < phase.patience:
        callbacks: list[keras.callbacks.Callback] = [_Epochs(phase, progress, run_dir)]
        if tensorboard is not None:
            callbacks.append(keras.callbacks.TensorBoard(tensorboard / phase.name))
        model.fit(
            batches.for_training(
                photos["train"],
                batch_size,
                model.input_shape[1],
                seed=seed + progress.phase,
                epochs=range(progress.epoch, phase.epochs),
                backgrounds=backgrounds,
            ),
            initial_epoch=progress.epoch,
            epochs=phase.epochs,
            steps_per_epoch=steps,
            validation_data=batches.in_order(photos["validation"], batch_size),
            callbacks=callbacks,
            shuffle=False,  # the data set does it, and remembers how
        )
    model.load_weights(run_dir / "best.weights.h5")
    _bare(model).save_weights(run_dir / f"{phase.name}.weights.h5")
    return model


def _started(model: keras.Model, phase: Phase, run_dir: Path) -> keras.Model:
    """The network at the start of a phase: with the weights, and the layers trainable, that belong there."""
    if phase.name in TEACHERS:
        _bare(model).load_weights(run_dir / "frozen.weights.h5")
        models.unfreeze(model, phase.batch_norm_momentum)
    if phase.name == "distill":
        taught = [teacher.get_weights() for teacher in _loaded(model, run_dir)]
        model.set_weights([np.mean(weights, axis=0) for weights in zip(*taught, strict=True)])
        return Student(model.inputs[0], model.outputs[0], name=model.name)
    return model


def _bare(model: keras.Model) -> keras.Model:
    """The same layers without an optimizer, whose state weights files would hold too."""
    return keras.Model(model.inputs[0], model.outputs[0])


def _loaded(model: keras.Model, run_dir: Path) -> Iterator[keras.Model]:
    for name in TEACHERS:
        teacher = keras.models.clone_model(_bare(model))
        teacher.load_weights(run_dir / f"{name}.weights.h5")
        yield teacher


def _teachers(model: keras.Model, run_dir: Path) -> Callable[[Any, Any], Any]:
    """A function from photos and the step's number to what the fine-tuned networks take them for: P(positive class).

    They take turns, one forward pass a step in place of two. One sees the photos, the other sees them mirrored: what
    is asked for depends less on the whims of either.
    """
    one, other = _loaded(model, run_dir)

    def answer(images: Any, step: Any) -> Any:
        return tf.cond(
            step % 2 == 0,
            lambda: one(images, training=False),
            lambda: other(tf.reverse(images, axis=[2]), training=False),
        )

    return answer


@keras.saving.register_keras_serializable("train")
class Student(keras.Model):
    """A network whose loss while training is that to its teachers' answers. All metrics are those of the labels.

    Backgrounds, at the end of a batch, keep their label `batches.BACKGROUND` as the target, and count in no metric.
    """

    teachers: Callable[[Any, Any], Any]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, *, training: bool = True
    ) -> Any:
        """As Keras calls it; validation asks for the loss to the labels."""
        if training:
            shows_one = y[:, 0] != batches.BACKGROUND
            taught = self.teachers(tf.boolean_mask(x, shows_one), self.optimizer.iterations)
            y = tf.concat([taught, tf.boolean_mask(y, ~shows_one)], axis=0)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """As Keras calls it."""
        shows_one = y[:, 0] != batches.BACKGROUND
        y, y_pred = tf.boolean_mask(y, shows_one), tf.boolean_mask(y_pred, shows_one)
        return super().compute_metrics(x, y, y_pred, sample_weight)


def _compile(model: keras.Model, phase: Phase, steps_per_epoch: int) -> None:
    steps = steps_per_epoch * phase.epochs
    warmup = steps // 20
    rate = keras.optimizers.schedules.CosineDecay(
        phase.learning_rate / 100, steps - warmup, warmup_target=phase.learning_rate, warmup_steps=warmup
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=phase.weight_decay),
        loss=keras.losses.BinaryCrossentropy(label_smoothing=phase.label_smoothing),
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
        jit_compile=False,  # XLA is ten times slower than oneDNN's kernels for this network on a CPU
    )


class _Epochs(keras.callbacks.Callback):
    """Keeps the best weights, the state to go on from, and the history; ends a phase that gains no more.

    Keras has a callback for each of these, but theirs forget how long they have waited, and what was best, when a
    run is interrupted.
    """

    def __init__(self, phase: Phase, progress: Progress, run_dir: Path) -> None:
        super().__init__()
        self._phase, self._progress, self._run_dir = phase, progress, run_dir

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {}).get("loss", math.nan)
        if not math.isfinite(loss):
            raise DivergedError(f"the loss became {loss} in batch {batch}: lower the learning rate")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        progress = self._progress
        progress.epoch = epoch + 1
        progress.waited += 1
        progress.history.append(
            {"phase": self._phase.name, "epoch": epoch + 1, "seconds": round(time.monotonic() - self._started, 1)}
        )
        progress.history[-1].update({key: float(value) for key, value in logs.items()})
        if logs["val_loss"] < progress.best_loss:
            progress.best_loss, progress.waited = float(logs["val_loss"]), 0
            self.model.save_weights(self._run_dir / "best.weights.h5")
        if progress.waited >= self._phase.patience:
            self.model.stop_training = True
        save(self.model, progress, self._run_dir)


def save(model: keras.Model, progress: Progress, run_dir: Path) -> None:
    """Write the state to go on from; a crash while writing leaves the state before."""
    progress.random_states = [layer.seed_generator.state.numpy().tolist() for layer in _random_layers(model)]
    run_dir.mkdir(parents=True, exist_ok=True)
    model.save(run_dir / "new.keras")
    (run_dir / "new.json").write_text(json.dumps(asdict(progress), indent=1))
    (run_dir / "new.keras").replace(run_dir / "last.keras")
    (run_dir / "new.json").replace(run_dir / "progress.json")


def load(run_dir: Path) -> tuple[Progress, keras.Model]:
    """Read what `save` wrote. A saved model does not hold the state of its random layers: it is put back here."""
    progress, model = Progress.read(run_dir), keras.models.load_model(run_dir / "last.keras")
    for layer, state in zip(_random_layers(model), progress.random_states, strict=True):
        layer.seed_generator.state.assign(state)
    return progress, model


def _random_layers(model: keras.Model) -> list[keras.layers.Dropout]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
