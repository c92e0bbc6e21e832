"""Temperature scaling: probabilities that mean what they say, at no cost when the model answers.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2.
"""

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.metrics import log_loss

from evaluate.metrics import Probabilities
from train import models

_CERTAIN = 1e-7  # a probability of 0 or 1 has no logit


def temperature(labels: npt.ArrayLike, probabilities: Probabilities) -> float:
    """The number to divide logits by that makes the log loss least: above 1 where the network is too sure.

    Args:
        labels: 0 or 1, (photos,), of photos that were not trained on.
        probabilities: P(label 1), (photos,).
    """
    logits = logit(np.clip(probabilities, _CERTAIN, 1 - _CERTAIN))

    def loss(log_temperature: float) -> float:
        return float(log_loss(labels, expit(logits / np.exp(log_temperature))))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def confidence_threshold(probabilities: Probabilities, share: float) -> float:
    """The confidence below which a photo is uncertain.

    The baseline of Hendrycks and Gimpel 2017 (arXiv:1610.02136): of what a network was not trained on, it is less sure.

    Args:
        probabilities: P(label 1) of photos that do show one or the other, (photos,).
        share: of them, that is to fall below, 0-1.
    """
    return float(np.quantile(np.maximum(probabilities, 1 - probabilities), share))


def fold(model: keras.Model, divisor: float) -> None:
    """Divide the model's logits by a temperature, in the weights of the layer that makes them."""
    layer = model.get_layer(models.LOGIT_LAYER)
    layer.set_weights([weights / divisor for weights in layer.get_weights()])
