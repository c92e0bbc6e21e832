"""What a student starts from, and what it learns."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from train import batches, distill, models
from train.phases import TEACHERS

Answers = npt.NDArray[np.floating]

pytestmark = pytest.mark.training


class Taught(NamedTuple):
    """The start of a distillation: the student, its teachers, and the folder with their weights."""

    student: distill.Student
    teachers: tuple[keras.Model, keras.Model]
    folder: Path


@pytest.fixture
def taught(tiny: None, tmp_path: Path) -> Taught:
    return start(tmp_path)


def start(folder: Path, outputs: int = 1) -> Taught:
    keras.utils.set_random_seed(1)
    model = models.transfer("mobilenetv2", 32, "none", outputs)
    models.unfreeze(model, 0.9)
    pixels = np.random.default_rng(1).uniform(0, 255, (16, 32, 32, 3)).astype(np.float32)
    for name in TEACHERS:
        for layer in model.layers:  # teachers that differ, and whose answers depend on the photo
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
                layer.kernel.assign(layer.kernel + 0.3 * keras.random.normal(layer.kernel.shape))
        for _ in range(4):
            model(pixels, training=True)
        distill.bare(model).save_weights(folder / f"{name}.weights.h5")
    student = distill.student(model, folder)
    one, other = distill.loaded(student, folder)
    student.teachers = distill.teachers(student, folder)
    return Taught(student, (one, other), folder)


def cross_entropy(wanted: Answers, given: Answers) -> float:
    """What Keras calls binary cross-entropy, in nats."""
    return float(-np.mean(wanted * np.log(given) + (1 - wanted) * np.log(1 - given)))


def test_distillation_starts_from_the_mean_of_its_teachers(taught: Taught) -> None:
    one, other = taught.teachers
    assert any(not np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
    weights = (network.get_weights() for network in (taught.student, one, other))
    for mean, a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(mean, (a + b) / 2, rtol=1e-5, atol=1e-6)


def test_teachers_alternate_and_one_sees_mirror_images(taught: Taught) -> None:
    one, other = taught.teachers
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    answers = [np.asarray(taught.student.teachers(images, step)) for step in range(4)]
    np.testing.assert_allclose(answers[0], one.predict(images, verbose=0), rtol=1e-4)
    np.testing.assert_allclose(answers[1], other.predict(images[:, :, ::-1], verbose=0), rtol=1e-4)
    np.testing.assert_array_equal(answers[::2][0], answers[::2][1])
    np.testing.assert_array_equal(answers[1::2][0], answers[1::2][1])
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_the_student_learns_the_teachers_answers_and_that_backgrounds_are_undecided(taught: Taught) -> None:
    student = taught.student
    student.compile(optimizer="sgd", loss="binary_crossentropy")
    random = np.random.default_rng(0)
    images, given = random.uniform(0, 255, (6, 32, 32, 3)).astype(np.float32), random.uniform(0.1, 0.9, (6, 1))
    undecided = batches.background(1)
    labels = np.array([[0], [1], [0], [1], [undecided], [undecided]], np.float32)
    wanted = np.concatenate([np.asarray(student.teachers(images[:4], 0)), labels[4:]])
    while_training = student.compute_loss(images, tf.constant(labels), given.astype(np.float32), training=True)
    assert float(while_training) == pytest.approx(cross_entropy(wanted, given), rel=1e-4)
    # Validation has photos only, and compares with their labels.
    to_labels = student.compute_loss(images[:4], labels[:4], given[:4].astype(np.float32), training=False)
    assert float(to_labels) == pytest.approx(cross_entropy(labels[:4], given[:4]), rel=1e-4)


def test_of_more_than_two_labels_backgrounds_are_as_probable_as_each_other(tiny: None, tmp_path: Path) -> None:
    student = start(tmp_path, outputs=3).student
    student.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(0)
    images, given = random.uniform(0, 255, (4, 32, 32, 3)).astype(np.float32), random.dirichlet((1, 1, 1), 4)
    labels = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], [1 / 3] * 3], np.float32)
    wanted = np.concatenate([np.asarray(student.teachers(images[:3], 0)), labels[3:]])
    loss = student.compute_loss(images, tf.constant(labels), given.astype(np.float32), training=True)
    assert float(loss) == pytest.approx(-(wanted * np.log(given)).sum(axis=1).mean(), rel=1e-4)
    answers = student.predict(images, verbose=0).argmax(axis=1)
    labels[:3] = np.eye(3)[[answers[0], answers[1], (answers[2] + 1) % 3]]
    result = student.evaluate(images, labels, batch_size=4, return_dict=True, verbose=0)
    assert result["accuracy"] == pytest.approx(2 / 3)


def test_backgrounds_count_in_no_metric(taught: Taught) -> None:
    student = taught.student
    student.compile(optimizer="sgd", loss="binary_crossentropy", metrics=["accuracy"])
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    right = student.predict(images, verbose=0) >= 0.5
    labels = np.array([right[0, 0], right[1, 0], not right[2, 0], batches.background(1)], np.float32)[:, np.newaxis]
    result = student.evaluate(images, labels, batch_size=4, return_dict=True, verbose=0)
    assert result["accuracy"] == pytest.approx(2 / 3)
