"""Calibration: a temperature and a confidence threshold, both fitted on the validation split."""

import keras
import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax
from scipy.stats import betabinom

from evaluate import metrics
from evaluate.metrics import Probabilities
from train import models

_MIN_MISTAKES = 10  # with fewer, a few photos decide; with none, the log loss is lowest at 0
_KEPT = 0.995  # of samples of other photos, those that keep to the limit: the upper end of a 99% interval
_LARGEST_CERTAINTY = 1e-7  # probabilities of 0 and 1 have no logit, that of 0 no logarithm


def temperature(labels: npt.ArrayLike, probabilities: Probabilities) -> float:
    """The divisor of the logits with the lowest log loss: above 1 for an overconfident network.

    Temperature scaling: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2. It
    costs nothing at inference: see `fold`. It is below 1 only where the network makes ten mistakes or more: fewer do
    not show that it could be more confident.

    Args:
        labels: positions of the true labels, (photos,), of photos that were not trained on.
        probabilities: P(label 1), (photos,), of two labels; P(label), (photos, labels), of more.
    """
    truth, known = np.asarray(labels), np.clip(probabilities, _LARGEST_CERTAINTY, 1 - _LARGEST_CERTAINTY)

    def loss(log_temperature: float) -> float:
        return metrics.log_loss(truth, _divided(known, np.exp(log_temperature)))

    mistakes = int((metrics.top(known)[0] != truth).sum())
    lowest = -3.0 if mistakes >= _MIN_MISTAKES else 0.0
    return float(np.exp(minimize_scalar(loss, bounds=(lowest, 3.0), method="bounded").x))


def _divided(probabilities: Probabilities, divisor: float) -> Probabilities:
    """The probabilities whose logits are those of the given ones, divided."""
    if probabilities.ndim == 1:
        return np.asarray(expit(logit(probabilities) / divisor))
    # The logarithms are the logits but for a constant, which the softmax ignores.
    return np.asarray(softmax(np.log(probabilities) / divisor, axis=1))


def confidence_threshold(confidences: Probabilities, max_false_alarm_rate: float) -> float | None:
    """The highest threshold for which the 99% prediction interval of the false-alarm rate keeps to a limit.

    A photo with a lower confidence is uncertain (Hendrycks and Gimpel 2017, arXiv:1610.02136): networks are less
    confident on out-of-distribution images. The limit applies to the upper end for other photos, as many as these. If
    it applied to the rate on these, others would exceed it about half of the time. Above the k lowest of n confidences,
    the false alarms among n others have a beta-binomial distribution, whatever that of the confidences.

    Args:
        confidences: the probability of the predicted label, of photos of the classes, (photos,).
        max_false_alarm_rate: the largest share of photos of the classes below the threshold, 0-1.

    Returns:
        The threshold, or None: too few photos to show such a rate; 2% need 350.
    """
    confidences = np.sort(confidences)
    photos, alarms = len(confidences), np.arange(len(confidences))
    kept = betabinom.cdf(int(max_false_alarm_rate * photos + 1e-9), photos, alarms + 1, photos - alarms)
    allowed = alarms[kept >= _KEPT]
    return float(confidences[allowed[-1]]) if len(allowed) else None


def fold(model: keras.Model, divisor: float) -> None:
    """Divide the model's logits by a temperature, in the weights of the layer that makes them."""
    layer = model.get_layer(models.LOGIT_LAYER)
    layer.set_weights([weights / divisor for weights in layer.get_weights()])
