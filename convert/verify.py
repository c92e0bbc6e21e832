"""Compares a .tflite file with its Keras network, from file bytes through `serve.model.classifier.Classifier`."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluate import metrics
from train import data, splits


@dataclass(frozen=True)
class StoredSplit:
    """Photos as stored, with the answers of the Keras model."""

    photos: splits.Photos
    keras_probabilities: metrics.Probabilities


def measure_in(python: Path, model_path: Path, photos: Sequence[data.StoredPhoto]) -> dict[str, Any]:
    """`convert.measure.measure` in another Python: tflite-runtime cannot be installed beside TensorFlow.

    Raises:
        subprocess.CalledProcessError: it fails; `stderr` says why.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as places:
        places.writelines(json.dumps([photo.file, photo.offset, photo.size]) + "\n" for photo in photos)
        places.flush()
        command = [str(python.absolute()), "-m", "convert.measure", str(model_path.resolve()), places.name]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def compare(split: StoredSplit, measured: dict[str, Any], model_path: Path) -> dict[str, Any]:
    """Metrics of one runtime's answers, beside those of the Keras model.

    Returns:
        Those of `metrics.measure`; `keras_accuracy` and `keras_auc`; `accuracy_drop_interval` (95%, a share of the
        photos); `agreement` (the share of photos with the same label); `largest_difference` and `mean_difference` of
        the probabilities; `bytes` of the file; `decode_ms` and `inference_ms` (medians) of a photo.
    """
    probabilities = np.asarray(measured["probabilities"])
    reference = split.keras_probabilities
    labels = split.photos.labels
    of_keras = metrics.measure(labels, reference)
    difference = np.abs(probabilities - reference).reshape(len(reference), -1).max(axis=1)
    answers, keras_answers = (metrics.top(each)[0] for each in (probabilities, reference))
    right, keras_right = answers == labels, keras_answers == labels
    drop = metrics.difference_interval(
        int((keras_right & ~right).sum()), int((right & ~keras_right).sum()), len(labels)
    )
    return {
        **metrics.measure(labels, probabilities),
        "keras_accuracy": of_keras["accuracy"],
        "keras_auc": of_keras["auc"],
        "accuracy_drop_interval": list(drop),
        "agreement": float((answers == keras_answers).mean()),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "bytes": model_path.stat().st_size,
        "decode_ms": round(measured["decode_ms"], 2),
        "inference_ms": round(measured["inference_ms"], 2),
    }


def summary(mode: str, name: str, result: dict[str, Any]) -> str:
    """The comparison in two lines."""
    return (
        f"{mode} in {name}: accuracy {result['accuracy']:.2%} (Keras {result['keras_accuracy']:.2%}), "
        f"AUC {result['auc']:.5f} (Keras {result['keras_auc']:.5f}), agreement {result['agreement']:.2%}\n"
        f"  P differs by {result['mean_difference']:.4f} on average, {result['largest_difference']:.3f} at most; "
        f"{result['bytes'] / 1e6:.2f} MB; decode {result['decode_ms']:.2f} ms, "
        f"inference {result['inference_ms']:.2f} ms"
    )
