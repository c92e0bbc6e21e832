"""python -m convert.measure MODEL PHOTOS.npz: classify photos in this Python's runtime, print the figures as JSON.

`verify` needs TensorFlow; this module runs with the serving requirements and NumPy alone.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serve.model.classifier import Classifier, Prediction


def measure(model_path: Path, images: Sequence[bytes]) -> dict[str, Any]:
    """Classify every photo, from its file bytes, with one thread.

    Returns:
        `runtime`, `probabilities`, and the medians `decode_ms` and `inference_ms`. The probabilities are those of the
        positive class, (photos,); of more than two labels, those of each, (photos, labels).

    Raises:
        serve.errors.ProblemError: a photo cannot be decoded.
    """
    classifier = Classifier(model_path)
    predictions = [classifier.classify(image) for image in images]
    return {
        "runtime": classifier.runtime,
        "probabilities": [_numbers(prediction) for prediction in predictions],
        "decode_ms": statistics.median(prediction.decode_ms for prediction in predictions),
        "inference_ms": statistics.median(prediction.inference_ms for prediction in predictions),
    }


def _numbers(prediction: Prediction) -> float | list[float]:
    if prediction.probabilities is None:
        return prediction.probability
    return list(prediction.probabilities.values())


if __name__ == "__main__":
    model, photos = sys.argv[1:]
    with np.load(photos) as packed:
        print(json.dumps(measure(Path(model), [packed[name].tobytes() for name in packed.files])))
