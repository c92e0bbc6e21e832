"""The networks: raw 0-255 RGB pixels in; P(positive class) of two labels, or P(label) for each of more, out."""

import functools
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from train import backbones, batches, data, splits

LOGIT_LAYER: Final = "logit"
FEATURES_LAYER: Final = "features"
PROBABILITY_LAYER: Final = "probability"
_BOTH_LAYER: Final = "both"


def outputs(labels: Sequence[str]) -> int:
    """The numbers that a network of these labels returns: one for two labels, else one for each."""
    return 1 if len(labels) == 2 else len(labels)


def baseline(size: int, outputs: int = 1) -> keras.Model:
    """A small CNN from scratch, the baseline for transfer learning: five 3x3 convolutions, about 0.4M weights."""
    inputs = keras.Input((size, size, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(inputs)
    for filters in (16, 32, 64, 128, 256):
        # The first one has stride 2: at full resolution it would take most of the time.
        strides = 2 if filters == 16 else 1
        x = keras.layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
        if x.shape[1] > 1:  # the smallest inputs are down to one pixel
            x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.GlobalAveragePooling2D(name=FEATURES_LAYER)(x)
    return keras.Model(inputs, _head(x, outputs), name=backbones.BASELINE)


def transfer(name: str, size: int, weights: str, outputs: int = 1) -> keras.Model:
    """A backbone with a linear head; the backbone starts frozen.

    Args:
        name: a key of `backbones.BACKBONES`.
        size: of the square input, in pixels.
        weights: "imagenet" (Keras downloads them), "none" (random), or a file that the backbone's function of
            `keras.applications` has made with `include_top=False`.
        outputs: see `outputs`.

    Raises:
        FileNotFoundError: the weights file does not exist.
        DataError: it holds the weights of another network.
    """
    inputs = keras.Input((size, size, 3), name="image")
    backbone = _backbone(backbones.BACKBONES[name], inputs, weights)
    backbone.trainable = False
    features = keras.layers.GlobalAveragePooling2D(name=FEATURES_LAYER)(backbone.output)
    return keras.Model(inputs, _head(features, outputs), name=name)


def _backbone(known: backbones.Backbone, image: keras.KerasTensor, weights: str) -> keras.Model:
    if not known.rescales:
        image = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    build = getattr(keras.applications, known.function)
    initial = "imagenet" if weights == "imagenet" else None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`input_shape` is undefined")  # the weights of 224 x 224 fit any size
            backbone = build(input_tensor=image, include_top=False, weights=initial, **known.options)
    except Exception as error:  # Keras raises no narrower class for a failed download
        if initial is None:
            raise
        raise data.DataError(f"{error}; --weights takes a file, too") from error
    if weights in ("imagenet", "none"):
        return backbone
    if not Path(weights).is_file():
        raise FileNotFoundError(f"{weights}: no such file; --weights takes imagenet, none, or a weights file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Keras only warns of layers that the file lacks
            backbone.load_weights(weights)
    except (OSError, ValueError, KeyError, UserWarning, zipfile.BadZipFile) as error:
        raise data.DataError(f"{weights}: does not hold the weights of {known.title}") from error
    return backbone


def _head(features: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
    x = keras.layers.Dropout(0.2)(features)
    # In float32, whatever the precision of the layers before: small probabilities are below float16's range.
    logit = keras.layers.Dense(outputs, dtype="float32", name=LOGIT_LAYER)(x)
    return keras.layers.Activation("sigmoid" if outputs == 1 else "softmax", dtype="float32", name=PROBABILITY_LAYER)(
        logit
    )


def build(name: str, size: int, weights: str, outputs: int = 1) -> keras.Model:
    """The network of `backbones.NETWORKS` with that name, with its initial weights."""
    return baseline(size, outputs) if name == backbones.BASELINE else transfer(name, size, weights, outputs)


def mirrored(model: keras.Model, start: keras.KerasTensor | None = None) -> keras.Model:
    """Test-time augmentation: the answer is the mean of the logits of the photo and of its mirror image.

    Shares its layers with `model`. The logit is linear in the features, which are a mean over places. Stacking the
    places of both pictures and averaging once gives the mean of both logits.

    Args:
        model: made by `build`.
        start: the output of a layer of `model`. The new network takes this layer's output in place of the image.
    """
    start = model.inputs[0] if start is None else start
    features = model.get_layer(FEATURES_LAYER)
    backbone = keras.Model(start, features.input)
    image = keras.Input(start.shape[1:], name="image")
    both = keras.ops.stack([image, keras.ops.flip(image, axis=2)], axis=1)
    places = backbone(keras.ops.reshape(both, (-1, *start.shape[1:])))
    rows, columns, channels = places.shape[1:]
    stacked = keras.layers.Identity(name=_BOTH_LAYER)(keras.ops.reshape(places, (-1, 2 * rows, columns, channels)))
    logit = model.get_layer(LOGIT_LAYER)(features(stacked))
    return keras.Model(image, model.get_layer(PROBABILITY_LAYER)(logit), name=model.name)


def with_map(model: keras.Model) -> keras.Model:
    """The network with its class activation map as a second output: the logits at each place.

    Zhou et al. 2016, arXiv:1512.04150. The logits are linear in the features, which are a mean over places: weighed
    before that mean, the features of each place give its own logits, whose mean is the photo's.

    Args:
        model: made by `build` or `mirrored`, with its shared layers. The map of a mirror image is turned back, and
            averaged with the photo's.

    Returns:
        A network that shares its layers; outputs (batch, numbers) and (batch, rows, columns, numbers).
    """
    is_mirrored = any(layer.name == _BOTH_LAYER for layer in model.layers)
    places = model.get_layer(_BOTH_LAYER).output if is_mirrored else model.get_layer(FEATURES_LAYER).input
    logits = model.get_layer(LOGIT_LAYER)(places)
    if is_mirrored:
        photo, image = keras.ops.split(logits, 2, axis=1)
        logits = (photo + keras.ops.flip(image, axis=2)) / 2
    return keras.Model(model.inputs, [model.outputs[0], logits], name=model.name)


def unfreeze(model: keras.Model, batch_norm_momentum: float) -> None:
    """Make every layer trainable, including batch normalization.

    Keras gives MobileNetV2's moving averages a momentum of 0.999. In the thousand steps of a fine-tuning they would
    hardly leave ImageNet's values, and the served network would differ from the trained one.
    """
    for layer in model.layers:
        layer.trainable = True
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = batch_norm_momentum


def predict(model: keras.Model, photos: splits.Photos, batch_size: int = 64) -> npt.NDArray[np.float64]:
    """P(positive class) of each photo, (photos,), float64; for more than two labels P(label), (photos, labels)."""
    answer, ordered = traced(model), batches.in_order(photos, batch_size, model.output_shape[1])
    found = np.concatenate([answer(images) for images, _ in ordered]).astype(np.float64)
    return found[:, 0] if found.shape[1] == 1 else found


@functools.lru_cache(maxsize=1)
def traced(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The network's answers as a graph: several splits in turn need one trace, of seconds."""
    return tf.function(lambda images: model(images, training=False), reduce_retracing=True)
