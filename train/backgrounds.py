"""Backgrounds of the training photos: pictures of no class, for a network to learn not to be sure of.

Outlier exposure (Hendrycks et al. 2019, arXiv:1812.04606), with outliers that every data set brings along: where a
trained network finds nothing in a photo that speaks for either class, there is grass, a wall, a blanket, a hand.
"""

from typing import Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tqdm import tqdm

from train import data, models
from train.pixels import Pixels, decode

WINDOW: Final = 0.4
"""Height and width of a background, as a share of the photo's."""

_LOOKED_AT: Final = 8000  # photos; they take four minutes on two cores, and give 860 backgrounds
_KEPT: Final = 0.15  # of the photos, those with the emptiest windows
_BATCH: Final = 32
_GIVEN_AWAY: Final = 1.0  # a window by itself that speaks this much (logit) for its photo's label shows the animal


def cut(model: keras.Model, source: data.Source, photos: data.Photos) -> Pixels:
    """Cut backgrounds out of the photos that `photos` was decoded from.

    Args:
        model: a fine-tuned MobileNetV2, which knows where the animals are.
        source: of the photos.
        photos: the training split.

    Returns:
        uint8, (backgrounds, height, width, 3), as high and wide as `photos`; at most `_KEPT` of the photos.
    """
    looked_at = range(min(len(photos), _LOOKED_AT))
    windows, evidence = _emptiest_windows(_shares(model), photos.images[: len(looked_at)])
    kept = evidence <= np.quantile(evidence, _KEPT)
    wanted = {photos.names[place]: (windows[place], photos.labels[place]) for place in looked_at if kept[place]}
    side = photos.images.shape[1]
    found, labels = [], []
    with tqdm(total=len(wanted), desc="cut backgrounds", unit="photo") as bar:
        for photo in source.read_split("train"):
            if photo.name not in wanted:
                continue
            (top, left), label = wanted.pop(photo.name)
            whole = round(side / WINDOW)
            pixels = decode(photo.data, whole, whole)
            row, column = round(top * whole), round(left * whole)
            found.append(pixels[row : row + side, column : column + side].copy())  # not to keep all of the photo
            labels.append(label)
            bar.update()
            if not wanted:
                break
    backgrounds = np.array(found, np.uint8)
    return backgrounds[~_speak_for(model, backgrounds, np.array(labels))]


def _emptiest_windows(shares: keras.Model, images: Pixels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where in each photo least speaks for either class, and how much does.

    The logit is a mean over places, so each place has its share (Zhou et al. 2016, arXiv:1512.04150). Photos are
    looked at with twice the network's size: the shares are four times as many, and each is of a smaller place.

    Args:
        shares: see `_shares`.
        images: uint8, (photos, height, width, 3).

    Returns:
        (photos, 2): top and left as shares of the height and width; (photos,): the largest share in the window.
    """
    size = shares.input_shape[1]
    windows, evidence = [], []
    for start in tqdm(range(0, len(images), _BATCH), desc="look for backgrounds", unit="batch"):
        resized = tf.image.resize(images[start : start + _BATCH].astype(np.float32), (size, size))
        said = np.abs(shares(resized, training=False).numpy()[..., 0])
        cells = said.shape[1]
        wide = max(1, round(WINDOW * cells))
        largest = np.lib.stride_tricks.sliding_window_view(said, (wide, wide), axis=(1, 2)).max((-1, -2))
        places = largest.reshape(len(largest), -1)
        row, column = np.divmod(places.argmin(1), largest.shape[2])
        # The window need not be a whole number of cells: it must still end inside the photo.
        windows.append(np.minimum(np.stack([row, column], 1) / cells, 1 - WINDOW))
        evidence.append(places.min(1))
    return np.concatenate(windows), np.concatenate(evidence)


def _shares(model: keras.Model) -> keras.Model:
    """The network at twice its size, without the mean: (batch, height, width, 3) -> (batch, rows, columns, 1)."""
    large = models.mobilenetv2(2 * model.input_shape[1], "none")
    large.set_weights(model.get_weights())
    places = large.get_layer(models.FEATURES_LAYER).input
    return keras.Model(large.inputs[0], large.get_layer(models.LOGIT_LAYER)(places))


def _speak_for(model: keras.Model, backgrounds: Pixels, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the backgrounds show enough of the animal, after all, to be taken for what it is."""
    logit = keras.Model(model.inputs[0], model.get_layer(models.LOGIT_LAYER).output)
    size = model.input_shape[1:3]
    said = np.zeros(len(backgrounds))
    for start in range(0, len(backgrounds), _BATCH):
        batch = slice(start, start + _BATCH)
        said[batch] = logit(tf.image.resize(backgrounds[batch].astype(np.float32), size), training=False)[:, 0]
    return np.asarray(np.where(labels == 1, said, -said) > _GIVEN_AWAY)
