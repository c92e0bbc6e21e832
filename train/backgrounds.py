"""Backgrounds of the training photos: pictures of no class, on which a network learns to be uncertain.

Outlier exposure (Hendrycks et al. 2019, arXiv:1812.04606), with outliers from the data set itself. Where a trained
network finds no evidence for any class, a photo shows grass, a wall, a blanket, a hand.
"""

from collections.abc import Iterable
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tqdm import tqdm

from serve.errors import ImageTooLargeError
from train import batch_norm, models, splits
from train.pixels import Pixels, decode

WINDOW: Final = 0.4
"""Height and width of a background, as a share of the photo's."""

_SEARCHED: Final = 8000  # photos; the search takes two minutes on two cores and finds 860 backgrounds
_KEPT: Final = 0.15  # of the photos, those with the emptiest windows
_BATCH: Final = 32
_SHOWS_CLASS: Final = 1.0  # a logit: a window with more evidence for its photo's label shows its class


def cut(model: keras.Model, photos: splits.Photos) -> Pixels:
    """Cut backgrounds out of the stored photos of the training split.

    Args:
        model: a fine-tuned MobileNetV2, to find what shows the classes.
        photos: the training split.

    Returns:
        uint8, (backgrounds, height, width, 3), as high and wide as `photos`; at most `_KEPT` of the photos.
    """
    searched = min(len(photos), _SEARCHED)
    batches = tqdm(photos.decoded(_BATCH, searched), "look for backgrounds", -(-searched // _BATCH), unit="batch")
    windows, evidence = _emptiest_windows(_class_map(model), batches)
    wanted = np.flatnonzero(evidence <= np.quantile(evidence, _KEPT)).tolist()
    found: dict[int, Pixels] = {}
    for place in tqdm(wanted, desc="cut backgrounds", unit="photo"):
        whole = round(photos.side / WINDOW)
        try:
            pixels = decode(photos.stored[place].data, whole, whole)
        except ImageTooLargeError:  # at this size: some photos can be decoded at less only
            continue
        top, left = np.rint(windows[place] * whole).astype(int)
        found[place] = pixels[top : top + photos.side, left : left + photos.side].copy()  # not to keep all of the photo
    backgrounds = np.array(list(found.values()), np.uint8).reshape(-1, photos.side, photos.side, 3)
    return backgrounds[~_show_class(model, backgrounds, photos.labels[list(found)])]


def _emptiest_windows(
    class_map: keras.Model, batches: Iterable[Pixels]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The window of each photo with the least evidence for any class, and that evidence.

    Logits are means over places, and each place contributes to them: a class activation map (Zhou et al. 2016,
    arXiv:1512.04150). At twice the network's input size the map has four times as many places, each smaller.

    Args:
        class_map: see `_class_map`.
        batches: of photos, each uint8, (batch, height, width, 3).

    Returns:
        (photos, 2): top and left as shares of the height and width; (photos,): the most evidence in the window.
    """
    size = class_map.input_shape[1]
    answer = models.traced(class_map)
    windows, evidence = [], []
    for images in batches:
        resized = tf.image.resize(images.astype(np.float32), (size, size))
        evidence_at = _evidence(answer(resized).numpy()).max(axis=-1)
        cells = evidence_at.shape[1]
        wide = max(1, round(WINDOW * cells))
        largest = np.lib.stride_tricks.sliding_window_view(evidence_at, (wide, wide), axis=(1, 2)).max((-1, -2))
        places = largest.reshape(len(largest), -1)
        row, column = np.divmod(places.argmin(1), largest.shape[2])
        # A window may not be a whole number of cells; it must still end inside the photo.
        windows.append(np.minimum(np.stack([row, column], 1) / cells, 1 - WINDOW))
        evidence.append(places.min(1))
    return np.concatenate(windows), np.concatenate(evidence)


def _class_map(model: keras.Model) -> keras.Model:
    """The network at twice its input size, without the mean: photos -> logits, (batch, rows, columns, outputs)."""
    large = batch_norm.fused(models.build(model.name, 2 * model.input_shape[1], "none", model.output_shape[1]))
    large.set_weights(model.get_weights())
    return keras.Model(large.inputs[0], models.with_map(large).outputs[1])


def _show_class(model: keras.Model, backgrounds: Pixels, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """A mask of the backgrounds that show enough of their photo's class to be classified."""
    logit = keras.Model(model.inputs[0], model.get_layer(models.LOGIT_LAYER).output)
    size = model.input_shape[1:3]
    shows = np.zeros(len(backgrounds), np.bool_)
    for start in range(0, len(backgrounds), _BATCH):
        batch = slice(start, start + _BATCH)
        pixels = tf.image.resize(backgrounds[batch].astype(np.float32), size)
        evidence = _evidence(logit(pixels, training=False).numpy())
        shows[batch] = evidence[np.arange(len(evidence)), labels[batch]] > _SHOWS_CLASS
    return shows


def _evidence(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """For each label, how far its logit is above the mean of the others': (..., outputs) -> (..., labels).

    Of two labels that is the logit and its negative.
    """
    outputs = logits.shape[-1]
    if outputs == 1:
        return np.concatenate([-logits, logits], axis=-1)
    return np.asarray((logits - logits.mean(axis=-1, keepdims=True)) * (outputs / (outputs - 1)))
