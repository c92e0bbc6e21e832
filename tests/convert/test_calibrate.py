import keras
import numpy as np
import pytest
from scipy.special import expit, logit

from convert import calibrate
from train import models


@pytest.mark.parametrize("overconfident", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(overconfident: float) -> None:
    random = np.random.default_rng(1)
    honest = random.uniform(0.01, 0.99, 20_000)
    labels = random.uniform(size=honest.size) < honest
    found = calibrate.temperature(labels, expit(logit(honest) * overconfident))
    assert found == pytest.approx(overconfident, rel=0.05)


def test_probabilities_of_zero_and_one_are_taken() -> None:
    assert np.isfinite(calibrate.temperature([0, 1, 1, 0], np.array([0.0, 1.0, 0.0, 0.3])))


def test_folded_into_the_weights_it_divides_the_logits() -> None:
    keras.utils.set_random_seed(1)
    model = models.baseline(32)
    photos = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    before = model.predict(photos, verbose=0)
    calibrate.fold(model, 2.0)
    np.testing.assert_allclose(logit(model.predict(photos, verbose=0)), logit(before) / 2, rtol=1e-4, atol=1e-6)


def test_the_share_asked_for_falls_below() -> None:
    probabilities = np.random.default_rng(1).beta(0.2, 0.2, 10_000)
    below = calibrate.confidence_threshold(probabilities, 0.02)
    sure = np.maximum(probabilities, 1 - probabilities)
    assert 0.5 < below < 1
    assert (sure < below).mean() == pytest.approx(0.02, abs=0.001)
