import keras
import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from convert import calibrate
from train import models


@pytest.mark.parametrize("overconfident", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(overconfident: float) -> None:
    random = np.random.default_rng(1)
    honest = random.uniform(0.01, 0.99, 20_000)
    labels = random.uniform(size=honest.size) < honest
    found = calibrate.temperature(labels, expit(logit(honest) * overconfident))
    assert found == pytest.approx(overconfident, rel=0.05)


@pytest.mark.parametrize("overconfident", [0.5, 1.0, 3.0])
def test_the_temperature_of_three_labels_is_found(overconfident: float) -> None:
    random = np.random.default_rng(1)
    honest = random.dirichlet((1, 1, 1), 20_000)
    labels = (honest.cumsum(axis=1) < random.uniform(size=(len(honest), 1))).sum(axis=1)
    found = calibrate.temperature(labels, softmax(np.log(honest) * overconfident, axis=1))
    assert found == pytest.approx(overconfident, rel=0.05)


def test_probabilities_of_zero_and_one_are_taken() -> None:
    assert np.isfinite(calibrate.temperature([0, 1, 1, 0], np.array([0.0, 1.0, 0.0, 0.3])))


@pytest.mark.parametrize("mistakes", [0, 9, 10])
def test_few_mistakes_make_a_network_no_more_confident(mistakes: int) -> None:
    """Without any, the log loss is lowest where all answers are certain."""
    wrong, labels = np.arange(1000) < mistakes, np.arange(1000) % 3
    binary = (labels > 0).astype(int)
    found = calibrate.temperature(np.where(wrong, 1 - binary, binary), np.where(binary, 0.8, 0.2))
    assert found == pytest.approx(1, abs=1e-3) if mistakes < 10 else found < 0.5
    found = calibrate.temperature(np.where(wrong, (labels + 1) % 3, labels), np.eye(3)[labels] * 0.6 + 0.4 / 3)
    assert found == pytest.approx(1, abs=1e-3) if mistakes < 10 else found < 0.7


def test_few_mistakes_can_make_it_less_confident() -> None:
    assert calibrate.temperature([0, 0, 1, 1, 0, 1], np.array([0.99, 0.1, 0.9, 0.8, 0.99, 0.01])) > 1.5


def test_folded_into_the_weights_it_divides_the_logits_of_three_labels() -> None:
    keras.utils.set_random_seed(1)
    model = models.baseline(32, outputs=3)
    photos = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    before = model(photos).numpy()
    calibrate.fold(model, 2.0)
    np.testing.assert_allclose(model(photos).numpy(), softmax(np.log(before) / 2, axis=1), rtol=1e-4)


def test_folded_into_the_weights_it_divides_the_logits() -> None:
    keras.utils.set_random_seed(1)
    model = models.baseline(32)
    photos = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    before = model(photos).numpy()
    calibrate.fold(model, 2.0)
    np.testing.assert_allclose(logit(model(photos).numpy()), logit(before) / 2, rtol=1e-4, atol=1e-6)


def test_other_photos_keep_to_the_largest_false_alarm_rate() -> None:
    """One sample sets the threshold: of 5,000 others from the same distribution, 99.5% have few enough below it."""
    samples, others = 1 - np.random.default_rng(1).beta(0.1, 2, (2, 5000, 1000)).astype(np.float32) / 2
    threshold = calibrate.confidence_threshold(samples[0], 0.02)
    assert threshold is not None
    alarms = int((samples[0] < threshold).sum())
    exceeds = [((others < np.sort(samples)[:, [allowed]]).sum(axis=1) > 20).mean() for allowed in (alarms, alarms + 1)]
    assert exceeds[0] <= 0.005 < exceeds[1]


def test_too_few_photos_give_no_threshold() -> None:
    assert calibrate.confidence_threshold(np.linspace(0.5, 1, 349), 0.02) is None
    assert calibrate.confidence_threshold(np.linspace(0.5, 1, 350), 0.02) == 0.5
