"""A network that trains in seconds, through the same code as MobileNetV2."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from train import __main__ as cli

Train = Callable[..., keras.Model]


def tiny_backbone(input_tensor: Any, *, include_top: bool, weights: str | None, alpha: float) -> keras.Model:
    """In place of `keras.applications.MobileNetV2`: two convolutions, with the kinds of layers that training treats."""
    assert not include_top
    assert (weights, alpha) == (None, 1.0)
    x = keras.layers.Conv2D(8, 3, strides=4, padding="same", use_bias=False)(input_tensor)
    x = keras.layers.BatchNormalization(momentum=0.999)(x)
    x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = keras.layers.Conv2D(16, 1)(x)
    image = keras.utils.get_source_inputs(input_tensor)
    return keras.Model(image, keras.layers.BatchNormalization(momentum=0.999)(x))


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--model mobilenetv2` trains the tiny backbone, in all its phases."""
    monkeypatch.setattr(keras.applications, "MobileNetV2", tiny_backbone)


@pytest.fixture
def train() -> Train:
    """A short run of the real command line on a small data set; returns the network that it wrote."""

    def run(folder: Path, output: Path, *flags: str) -> keras.Model:
        arguments = ["--data-dir", str(folder), "--output", str(output), "--cache-dir", str(output.parent / "cache")]
        assert cli.main([*arguments, "--img-size", "32", "--batch-size", "8", *flags]) == 0
        return keras.models.load_model(next(output.glob("*.keras")))

    return run
