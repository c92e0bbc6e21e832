"""A network learns from augmented photos, is measured on photos as they are, and does not keep the difference."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from train import augment, models
from train.learner import Learner

pytestmark = pytest.mark.training


@pytest.fixture
def learner() -> Learner:
    keras.utils.set_random_seed(1)
    made = Learner.of(models.baseline(32))
    # A rate of 0: a step changes no weight, so that its loss can be computed again.
    made.compile(optimizer=keras.optimizers.SGD(0.0), loss="binary_crossentropy")
    made.get_layer(index=-3).rate = 0.0  # each call of dropout draws anew
    return made


IMAGES = np.random.default_rng(1).integers(0, 256, (8, 40, 40, 3), np.uint8)
LABELS = np.array([[0], [1]] * 4, np.float32)


def test_a_step_learns_from_what_augmentation_makes_of_the_photos(learner: Learner) -> None:
    drawn = augment.draw(len(IMAGES), tf.constant([1, 2], tf.int64))
    answers = learner(augment.Augment(32)(IMAGES, drawn), training=True).numpy()
    expected = -np.mean(np.log(np.where(LABELS == 1, answers, 1 - answers)))
    batch = tf.data.Dataset.from_tensors(((IMAGES, drawn), LABELS))
    assert learner.fit(batch, shuffle=False, verbose=0).history["loss"] == pytest.approx([expected], rel=1e-4)


def test_measuring_changes_no_photo(learner: Learner) -> None:
    images = IMAGES[:, :32, :32]
    answers = learner.predict(tf.data.Dataset.from_tensors((images, LABELS)), verbose=0)
    np.testing.assert_array_equal(answers, learner.predict(images.astype(np.float32), verbose=0))
    loss = learner.evaluate(tf.data.Dataset.from_tensors((images, LABELS)), verbose=0)
    assert loss == pytest.approx(-np.mean(np.log(np.where(LABELS == 1, answers, 1 - answers))), rel=1e-4)


def test_its_state_has_the_layers_of_the_network_and_no_more(learner: Learner, tmp_path: Path) -> None:
    learner.save(tmp_path / "last.keras")
    again = keras.models.load_model(tmp_path / "last.keras")
    assert isinstance(again, Learner)
    assert [layer.name for layer in again.layers] == [layer.name for layer in learner.layers]
    learner.save_weights(tmp_path / "best.weights.h5")
    models.baseline(32).load_weights(tmp_path / "best.weights.h5")
