"""Compares a .tflite file with its Keras network, from file bytes through `serve.model.classifier.Classifier`."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from evaluate import metrics
from train import cache, data, models
from train.folder import Split


@dataclass(frozen=True)
class EncodedSplit:
    """Photos as stored, with the answers of the Keras model."""

    images: list[bytes]
    labels: list[int]
    keras_probabilities: metrics.Probabilities


def encoded_split(source: data.Source, photos: cache.Photos, model: keras.Model, split: Split = "test") -> EncodedSplit:
    """The files of a split that can be decoded, in the order of `photos`, and the Keras model's answers."""
    kept = [photo for photo in data.read_split(source, split) if photo.name not in photos.skipped]
    return EncodedSplit(
        images=[photo.data for photo in kept],
        labels=[photo.label for photo in kept],
        keras_probabilities=models.predict(model, photos),
    )


def measure_in(python: Path, model_path: Path, images: Sequence[bytes]) -> dict[str, Any]:
    """`convert.measure.measure` in another Python: tflite-runtime cannot be installed beside TensorFlow."""
    root = Path(__file__).parents[1]
    with tempfile.NamedTemporaryFile(suffix=".npz") as packed:
        np.savez(packed, *(np.frombuffer(image, np.uint8) for image in images))
        packed.flush()
        command = [str(python.absolute()), "-m", "convert.measure", str(model_path.resolve()), packed.name]
        done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def compare(split: EncodedSplit, measured: dict[str, Any], model_path: Path) -> dict[str, Any]:
    """Metrics of one runtime's answers, beside those of the Keras model."""
    probabilities = np.asarray(measured["probabilities"])
    reference = split.keras_probabilities
    of_keras = metrics.measure(split.labels, reference)
    difference = np.abs(probabilities - reference).reshape(len(reference), -1).max(axis=1)
    truth, (answers, keras_answers) = split.labels, (metrics.top(each)[0] for each in (probabilities, reference))
    right, keras_right = answers == truth, keras_answers == truth
    drop = metrics.difference_interval(int((keras_right & ~right).sum()), int((right & ~keras_right).sum()), len(truth))
    return {
        **metrics.measure(split.labels, probabilities),
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


def accuracy_drop(result: dict[str, Any]) -> float:
    """The accuracy of the Keras model minus that of the file, in percentage points."""
    return 100 * float(result["keras_accuracy"] - result["accuracy"])


def summary(mode: str, name: str, result: dict[str, Any]) -> str:
    """The comparison in two lines."""
    return (
        f"{mode} in {name}: accuracy {result['accuracy']:.2%} (Keras {result['keras_accuracy']:.2%}), "
        f"AUC {result['auc']:.5f} (Keras {result['keras_auc']:.5f}), agreement {result['agreement']:.2%}\n"
        f"  P differs by {result['mean_difference']:.4f} on average, {result['largest_difference']:.3f} at most; "
        f"{result['bytes'] / 1e6:.2f} MB; decode {result['decode_ms']:.2f} ms, "
        f"inference {result['inference_ms']:.2f} ms"
    )
