"""Distillation: one network learns the answers of two fine-tuned ones, starting from the average of their weights."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from train import batches
from train.learner import Learner
from train.phases import TEACHERS

Teachers = Callable[[Any, Any], Any]
"""(photos, number of the step) -> probabilities, (photos, outputs)."""


@keras.saving.register_keras_serializable("train")
class Student(Learner):
    """A network whose training targets are its teachers' answers. Validation and all metrics use the labels.

    Backgrounds, at the end of a batch, keep their own target, and count in no metric.
    """

    teachers: Teachers

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, *, training: bool = True
    ) -> Any:
        """As Keras calls it."""
        if training:
            labeled = ~batches.is_background(y)
            taught = self.teachers(tf.boolean_mask(x, labeled), self.optimizer.iterations)
            y = tf.concat([taught, tf.boolean_mask(y, ~labeled)], axis=0)
        return super().compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """As Keras calls it."""
        labeled = ~batches.is_background(y)
        weights = None if sample_weight is None else tf.boolean_mask(sample_weight, labeled)
        return super().compute_metrics(x, tf.boolean_mask(y, labeled), tf.boolean_mask(y_pred, labeled), weights)


def student(model: keras.Model, folder: Path) -> Student:
    """A student that starts from the average of its teachers' weights, which `folder` holds."""
    taught = [teacher.get_weights() for teacher in loaded(model, folder)]
    model.set_weights([np.mean(weights, axis=0) for weights in zip(*taught, strict=True)])
    return Student.of(model)


def teachers(model: keras.Model, folder: Path) -> Teachers:
    """The answers of the two fine-tuned networks, which alternate from step to step: one forward pass a step.

    One sees the photos, the other their mirror images: a target depends less on the errors of either.
    """
    one, other = loaded(model, folder)

    def answer(images: Any, step: Any) -> Any:
        return tf.cond(
            step % 2 == 0,
            lambda: one(images, training=False),
            lambda: other(tf.reverse(images, axis=[2]), training=False),
        )

    return answer


def loaded(model: keras.Model, folder: Path) -> Iterator[keras.Model]:
    """The two fine-tuned networks."""
    for name in TEACHERS:
        teacher = keras.models.clone_model(bare(model))
        teacher.load_weights(folder / f"{name}.weights.h5")
        yield teacher


def bare(model: keras.Model) -> keras.Model:
    """The same layers without an optimizer, whose state would go into weights files."""
    return keras.Model(model.inputs[0], model.outputs[0])
