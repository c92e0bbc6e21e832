"""The learning rate of each step."""

import keras
import pytest

from train.phases import Phase


@pytest.mark.parametrize("steps", [1, 19, 20, 400])
def test_the_rate_rises_over_a_twentieth_of_the_steps_and_falls_along_a_cosine(steps: int) -> None:
    phase = Phase("scratch", 1, 0.5)
    warmup = steps // 20
    reference = keras.optimizers.schedules.CosineDecay(0.005, steps - warmup, warmup_target=0.5, warmup_steps=warmup)
    rates = [phase.rate(step, steps) for step in range(steps)]
    assert rates == pytest.approx([float(reference(step)) for step in range(steps)], rel=1e-5, abs=1e-7)
