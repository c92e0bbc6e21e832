"""A Keras model -> the bytes of a .tflite file, in one of four precisions."""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python.util import modify_model_io_type

from convert.modes import OUTPUTS, Mode
from train.pixels import Pixels

_FLOAT_OPS: Final = ("FULLY_CONNECTED", "LOGISTIC", "SOFTMAX")


def convert(model: keras.Model, mode: Mode, representative: Pixels | None = None) -> bytes:
    """Convert a model from raw pixels 0-255 to probabilities.

    Args:
        model: input (batch, size, size, 3), output (batch, 1) for two labels, (batch, labels) for more; then, from
            `train.models.with_map`, (batch, rows, columns, 1 or labels).
        mode: "int8": uint8 pixels in, float32 probabilities out. The last layer and its sigmoid or softmax stay float:
            they take hardly any time, and an int8 sigmoid has 256 values, none above 99.6%. "float16": half-precision
            weights. "dynamic": int8 weights, float activations. "none": float32.
        representative: uint8 photos, (photos, size, size, 3), which set the ranges of int8 activations.

    Returns:
        The model without a description; `serve.model.model_file.pack` adds one.

    Raises:
        ValueError: int8 without representative photos.
        OSError: the disk is full, say.
    """
    if mode == "int8" and (representative is None or not len(representative)):
        raise ValueError("int8 needs representative photos to calibrate on")
    return _float(model, mode) if representative is None or mode != "int8" else _int8(model, representative)


def _float(model: keras.Model, mode: Mode) -> bytes:
    with _converter(model) as converter:
        if mode != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress TensorFlow's warnings about its own debugger."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
        warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated", UserWarning)
        yield


@contextlib.contextmanager
def _converter(model: keras.Model) -> Iterator[tf.lite.TFLiteConverter]:
    """A converter for a batch of one, which leaves no shape arithmetic to the interpreter.

    The file's signature names the outputs. The converter's own way from Keras would name them output_0 and output_1,
    and trace the network several times.
    """

    def run(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(OUTPUTS, tf.nest.flatten(model(image)), strict=False))  # without a map, one output

    image = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    with tempfile.TemporaryDirectory() as folder:
        try:
            tf.saved_model.save(module, folder, signatures=tf.function(run, input_signature=[image]))
        except tf.errors.OpError as error:  # such as a full disk
            raise OSError(f"{folder}: {error.message}") from error
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.experimental_enable_resource_variables = False
        yield converter


def _int8(model: keras.Model, representative: Pixels) -> bytes:
    def photos() -> Iterator[list[npt.NDArray[np.float32]]]:
        for photo in representative:
            yield [photo[np.newaxis].astype(np.float32)]

    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(_FLOAT_OPS))
    # The debugger is the only public way to keep some operations in float.
    with _converter(model) as converter, _quiet():
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = photos
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=photos, debug_options=options
        )
        quantized = debugger.get_nondebug_quantized_model()
    # The converter does this for `inference_input_type`, which the debugger ignores.
    return bytes(modify_model_io_type(quantized, tf.uint8, tf.float32))
