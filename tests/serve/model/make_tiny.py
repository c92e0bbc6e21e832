"""python make_tiny.py: make tiny/*.tflite, models of one kind each that a test expects to load or to be refused.

The files are committed, because the tests of `serve` run without TensorFlow.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

IMAGE = tf.TensorSpec((1, 4, 4, 3))


def mean(image: Any) -> Any:
    """(1, 4, 4, channels) -> (1, channels)."""
    return tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2])


def one(image: Any) -> Any:
    """(1, 4, 4, channels) -> (1, 1)."""
    return tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2, 3])[:, None]


MODELS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "float32": (one, [IMAGE]),
    "uint8": (mean, [tf.TensorSpec((1, 4, 4, 3), tf.uint8)]),
    "three_numbers": (mean, [IMAGE]),
    "two_inputs": (lambda a, b: one(a + b), [IMAGE, IMAGE]),
    "two_outputs": (lambda image: (one(image), one(image * 2)), [IMAGE]),
    "dynamic_size": (one, [tf.TensorSpec((1, None, None, 3))]),
    "dynamic_batch": (one, [tf.TensorSpec((None, 4, 4, 3))]),
    "gray": (one, [tf.TensorSpec((1, 4, 4, 1))]),
    "int32_input": (one, [tf.TensorSpec((1, 4, 4, 3), tf.int32)]),
    "int32_output": (lambda image: tf.cast(one(image), tf.int32), [IMAGE]),
    "vector_output": (lambda image: tf.reshape(one(image), [1]), [IMAGE]),
    "custom_operation": (lambda image: tf.raw_ops.Erfinv(x=mean(image)), [IMAGE]),
}


def main() -> None:
    """Write every file."""
    for name, (function, specifications) in MODELS.items():
        concrete = tf.function(function).get_concrete_function(*specifications)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.allow_custom_ops = name == "custom_operation"
        (Path(__file__).parent / "tiny" / f"{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
