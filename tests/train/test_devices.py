"""A network does not depend on the number of devices that trained it, and its file not on their precision."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import make_photos
from tests.train.conftest import Train

pytestmark = pytest.mark.training

TWO_CPUS = """
import sys
from train import programs
programs.prepare_tensorflow()
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
keras.layers.Dropout.call = lambda self, inputs, training=False: inputs  # each device would draw its own
from train import __main__ as cli
for strategy in ("none", "mirrored"):
    assert cli.main([*sys.argv[1:], "--strategy", strategy, "--output", strategy]) == 0
"""


def test_two_devices_have_the_losses_of_one(root: Path, tmp_path: Path) -> None:
    """The small CNN, which normalizes over batches, with two CPU devices at hand."""
    make_photos(tmp_path / "photos", 40)
    flags = ["--data-dir", "photos", "--model", "baseline", "--img-size", "32", "--epochs", "2", "--batch-size", "16"]
    command = [sys.executable, "-c", TWO_CPUS, *flags]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, check=True, stdout=subprocess.DEVNULL)
    one, two = (
        json.loads((tmp_path / name / "history" / "baseline.json").read_text()) for name in ("none", "mirrored")
    )
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        for figure in ("loss", "val_loss"):
            assert a[figure] == pytest.approx(b[figure], rel=1e-3)


def test_a_network_of_mixed_precision_is_written_in_float32_and_keras_layers(tmp_path: Path, train: Train) -> None:
    photos = make_photos(tmp_path / "photos", 20)
    flags = ["--model", "baseline", "--epochs", "1", "--precision", "mixed_float16"]
    model = train(photos, tmp_path / "out", *flags)
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    known = json.loads((tmp_path / "out" / "metadata.json").read_text())["models"]["baseline"]
    assert known["test"]["scratch"]["photos"] == 4
