import keras
import numpy as np
import pytest
import tensorflow as tf

from train import augment

SEED = tf.constant([1, 2], tf.int64)


def test_augmentation_keeps_shape_and_range_and_changes_each_photo_otherwise() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 32, dtype=np.uint8)[None, :, None], (32, 32, 3))
    changed = augment.Augment(24)(np.stack([ramp] * 16), augment.draw(16, SEED)).numpy()
    assert changed.shape == (16, 24, 24, 3)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert len({row.tobytes() for row in changed}) == 16
    rising = (changed[:, :, -1].mean(axis=(1, 2)) > changed[:, :, 0].mean(axis=(1, 2))).sum()
    assert 0 < rising < 16  # some are mirrored, some are not


def test_each_part_of_a_batch_is_changed_as_in_the_whole() -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), np.uint8)
    drawn, layer = augment.draw(6, SEED), augment.Augment(24)
    parts = [layer(images[:2], drawn[:2]), layer(images[2:], drawn[2:])]
    np.testing.assert_allclose(tf.concat(parts, axis=0), layer(images, drawn), rtol=1e-5)


def test_photos_are_changed_in_float32_whatever_the_precision_of_the_network() -> None:
    images, drawn = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), np.uint8), augment.draw(6, SEED)
    before = augment.Augment(24)(images, drawn)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        np.testing.assert_array_equal(augment.Augment(24)(images, drawn), before)
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_new_draw_at_the_end_changes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before = augment.draw(8, SEED).numpy()
    more = {"one": augment.Draw(0.0, 1.0), "and another": augment.Draw(0.0, 1.0, numbers=2)}
    monkeypatch.setattr(augment, "DRAWS", augment.DRAWS | more)
    after = augment.draw(8, SEED).numpy()
    np.testing.assert_array_equal(after[:, : before.shape[1]], before)
    assert after.shape == (8, before.shape[1] + 3)


def test_each_draw_has_its_own_seed_and_each_number_its_range() -> None:
    bounds = [(low, high) for low, high, numbers in augment.DRAWS.values() for _ in range(numbers)]
    low, high = np.array(bounds).T
    uniform = (augment.draw(1000, SEED).numpy() - low) / (high - low)
    np.testing.assert_allclose(uniform.mean(axis=0), 0.5, atol=0.05)
    assert np.abs(np.corrcoef(uniform.T) - np.eye(len(bounds))).max() < 0.2
