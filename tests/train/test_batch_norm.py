"""Batch normalization in one operation is Keras's own: answers, gradients and moving averages."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from train import backbones, batch_norm, models

pytestmark = pytest.mark.training


def layers(channels: int) -> list[keras.layers.BatchNormalization]:
    """Keras's own, and ours with the same weights."""
    chance = np.random.default_rng(1)
    made = [kind(momentum=0.9) for kind in (keras.layers.BatchNormalization, batch_norm.FusedBatchNormalization)]
    weights = [chance.uniform(0.5, 2, channels).astype(np.float32) for _ in range(4)]
    for layer in made:
        layer.build((None, None, None, channels))
        layer.set_weights(weights)
    return made


def step(layer: keras.layers.Layer, images: tf.Tensor) -> list[tf.Tensor]:
    """The answer in training, and the gradients of a sum that depends on all of it."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        answer = layer(images, training=True)
        weights = tf.reshape(tf.range(tf.size(answer)) % 7, tf.shape(answer))
        total = tf.reduce_sum(tf.sin(answer) * tf.cast(weights, tf.float32))
    return [answer, *tape.gradient(total, [images, layer.gamma.value, layer.beta.value])]


# The moving variance of few places differs most from the variance that the operation returns.
@pytest.mark.parametrize("shape", [(8, 5, 4, 6), (4, 1, 1, 6), (2, 1, 1, 6)])
def test_a_training_step_is_that_of_keras(shape: tuple[int, ...]) -> None:
    images = tf.constant(np.random.default_rng(2).normal(3, 2, shape).astype(np.float32))
    own, ours = layers(shape[-1])
    for a, b in zip(step(own, images), step(ours, images), strict=True):
        assert np.abs(a).max() > 1e-3  # there is something to agree on
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    for one, other in zip(own.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_layer_and_an_answer_take_the_moving_averages(*, trainable: bool) -> None:
    images = tf.constant(np.random.default_rng(3).normal(3, 2, (4, 3, 3, 6)).astype(np.float32))
    own, ours = layers(6)
    before = ours.get_weights()
    own.trainable = ours.trainable = trainable
    np.testing.assert_allclose(own(images), ours(images, training=not trainable), rtol=1e-4, atol=1e-5)
    for one, other in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["baseline", "mobilenetv2-0.35", "mobilenetv3-small"])
def test_a_fused_network_answers_as_before(name: str) -> None:
    assert name in backbones.NETWORKS
    network = models.build(name, 96, "none")
    fused = batch_norm.fused(network)
    assert {type(layer) for layer in fused.layers} >= {batch_norm.FusedBatchNormalization}
    assert keras.layers.BatchNormalization not in {type(layer) for layer in fused.layers}
    for one, other in zip(network.layers, fused.layers, strict=True):
        assert (one.name, one.trainable_weights == []) == (other.name, other.trainable_weights == [])
    images = np.random.default_rng(4).integers(0, 256, (3, 96, 96, 3), np.uint8)
    np.testing.assert_allclose(network(images), fused(images), rtol=1e-3)
