"""python -m convert.measure MODEL PHOTOS.jsonl: classify photos in this Python's runtime, print the figures as JSON.

A line of PHOTOS.jsonl says where a photo is: `[file, offset, size]`, in bytes. `verify` needs TensorFlow; this module
runs with the serving requirements alone.
"""

import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from serve.model.classifier import Classifier, Prediction


def measure(model_path: Path, images: Iterable[bytes]) -> dict[str, Any]:
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


def read(places: Iterable[str]) -> Iterator[bytes]:
    """The photos at these places, one at a time."""
    for name, offset, size in map(json.loads, places):
        with Path(name).open("rb") as file:
            file.seek(offset)
            yield file.read(size)


if __name__ == "__main__":
    model, photos = sys.argv[1:]
    with Path(photos).open(encoding="utf-8") as lines:
        print(json.dumps(measure(Path(model), read(lines))))
