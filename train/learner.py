"""A network in training: it learns from photos that are changed at random, and is measured on photos as they are."""

from typing import Any, Self

import keras

from train import workers
from train.augment import Augment


@keras.saving.register_keras_serializable("train")
class Learner(keras.Model):
    """A network that augments the photos of its training steps; see `batches.for_training`.

    The layer that does it is no part of the network: no file and no answer knows of it.
    """

    @classmethod
    def of(cls, network: keras.Model) -> Self:
        """Train these layers."""
        return cls(network.inputs[0], network.outputs[0], name=network.name)

    def train_step(self, data: Any) -> Any:
        """As Keras calls it: the inputs are photos, and what was drawn at random for each."""
        (photos, drawn), *wanted = data
        return _reducible(super().train_step((Augment(self.input_shape[1])(photos, drawn), *wanted)))

    def test_step(self, data: Any) -> Any:
        """As Keras calls it."""
        return _reducible(super().test_step(data))

    def _maybe_symbolic_build(self, *batches: Any, **options: Any) -> None:
        """Nothing: all variables are there. On several devices Keras would take a batch to make them."""


def _reducible(figures: dict[str, Any]) -> dict[str, Any]:
    """Of several workers, Keras takes the mean of each figure along its first axis: it needs one."""
    return {name: keras.ops.reshape(figure, (1,)) for name, figure in figures.items()} if workers.several() else figures
