import numpy as np
import pytest
import tensorflow as tf

from train import augment


def test_augmentation_keeps_shape_and_range_and_changes_each_photo_otherwise() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 32, dtype=np.float32)[None, :, None], (32, 32, 3))
    images = tf.constant(np.stack([ramp] * 16))
    changed = augment.augment(images, 24, tf.constant([1, 2], tf.int64)).numpy()
    assert changed.shape == (16, 24, 24, 3)
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert len({row.tobytes() for row in changed}) == 16
    rising = (changed[:, :, -1].mean(axis=(1, 2)) > changed[:, :, 0].mean(axis=(1, 2))).sum()
    assert 0 < rising < 16  # some are mirrored, some are not


def test_a_new_draw_at_the_end_changes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    images = tf.random.stateless_uniform((8, 32, 32, 3), [1, 2], 0, 255)
    before = augment.augment(images, 24, tf.constant([1, 2], tf.int64)).numpy()
    monkeypatch.setattr(augment, "DRAWS", (*augment.DRAWS, "one", "and another"))
    np.testing.assert_array_equal(augment.augment(images, 24, tf.constant([1, 2], tf.int64)), before)


def test_each_draw_has_its_own_seed() -> None:
    draw = augment._draws(tf.constant(4), tf.constant([1, 2], tf.int64))
    drawn = [draw(name, 0.0, 1.0).numpy().tobytes() for name in augment.DRAWS]
    assert len(set(drawn)) == len(augment.DRAWS)
