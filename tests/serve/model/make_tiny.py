"""python tests/serve/model/make_tiny.py: make tiny/*.tflite, a file for each kind of model that a test needs.

The files are committed, because the tests of `serve` run without TensorFlow. Two of them know colors, so that tests
need no particular model in models/: `cat_or_dog` takes reddish photos such as examples/cat.jpg for cats, and
`seven_colors` knows a color for each label. Both answer from 4 x 4 places of a photo, as a convolutional network does.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[3]))
from serve.model import model_file

TINY: Final = Path(__file__).parent / "tiny"
IMAGE = tf.TensorSpec((1, 4, 4, 3))
PHOTO = tf.TensorSpec((1, 16, 16, 3), tf.uint8)
COLORS: Final = {
    "black": (0, 0, 0), "blue": (0, 0, 1), "gray": (0.5, 0.5, 0.5), "green": (0, 0.6, 0), "red": (1, 0, 0),
    "white": (1, 1, 1), "yellow": (1, 1, 0),
}  # fmt: skip


def mean(image: Any) -> Any:
    """(1, 4, 4, channels) -> (1, channels)."""
    return tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2])


def one(image: Any) -> Any:
    """(1, 4, 4, channels) -> (1, 1)."""
    return tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2, 3])[:, None]


def places(photo: Any) -> Any:
    """(1, 16, 16, 3), 0-255 -> (1, 4, 4, 3), 0-1."""
    return tf.nn.avg_pool2d(tf.cast(photo, tf.float32) / 255.0, 4, 4, "VALID")


def cat_or_dog(photo: Any) -> tuple[Any, Any]:
    """P(dog), (1, 1), and its logit at each place, (1, 4, 4, 1)."""
    red, green, _ = tf.split(places(photo), 3, axis=3)
    logits = 12 - 120 * (red - green)
    return tf.sigmoid(mean(logits)), logits


def seven_colors(photo: Any) -> tuple[Any, Any]:
    """P(color), (1, 7), and the logits at each place, (1, 4, 4, 7)."""
    colors = tf.constant(list(COLORS.values()), tf.float32)
    logits = -10 * tf.reduce_sum((places(photo)[..., None, :] - colors) ** 2, axis=-1)
    return tf.nn.softmax(mean(logits)), logits


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
    "cat_or_dog": (cat_or_dog, [PHOTO]),
    "seven_colors": (seven_colors, [PHOTO]),
}
DESCRIPTIONS: Final[dict[str, tuple[tuple[str, ...], str | None]]] = {
    "cat_or_dog": (("cat", "dog"), "dog"),
    "seven_colors": (tuple(COLORS), None),
}


def main(names: list[str]) -> None:
    """Write the named files, or all."""
    for name in names or MODELS:
        function, specifications = MODELS[name]
        concrete = tf.function(function).get_concrete_function(*specifications)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.allow_custom_ops = name == "custom_operation"
        content = converter.convert()
        if name in DESCRIPTIONS:
            content = model_file.pack(content, *DESCRIPTIONS[name], {"confidence_threshold": 0.5})
        (TINY / f"{name}.tflite").write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1:])
