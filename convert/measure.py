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

from serve.model.classifier import Classifier


def measure(model_path: Path, images: Sequence[bytes]) -> dict[str, Any]:
    """Classify every photo, from its file bytes, with one thread.

    Returns:
        `runtime`, `probabilities` (photos,), and the medians `decode_ms` and `inference_ms`.

    Raises:
        serve.errors.ProblemError: a photo cannot be decoded.
    """
    classifier = Classifier(model_path)
    predictions = [classifier.classify(image) for image in images]
    return {
        "runtime": classifier.runtime,
        "probabilities": [prediction.probability for prediction in predictions],
        "decode_ms": statistics.median(prediction.decode_ms for prediction in predictions),
        "inference_ms": statistics.median(prediction.inference_ms for prediction in predictions),
    }


if __name__ == "__main__":
    model, photos = sys.argv[1:]
    with np.load(photos) as packed:
        print(json.dumps(measure(Path(model), [packed[name].tobytes() for name in packed.files])))
