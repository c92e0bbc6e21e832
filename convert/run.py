"""A conversion from a trained network to a verified .tflite file and its figures."""

import argparse
import contextlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from convert import calibrate, quantize, verify
from convert.modes import Mode
from evaluate import metrics
from evaluate.criteria import MAX_ACCURACY_DROP
from serve.errors import ProblemError
from serve.model import model_file
from serve.model.classifier import Classifier
from train import data, metadata, models, splits
from train.folder import Split
from train.pixels import Pixels, decode

MEASURED_ON: Final[tuple[Split, ...]] = ("validation", "test")

_BATCH: Final = 64
_IN_METADATA: Final = ("calibration", "mirrored", "temperature", "max_false_alarm_rate", "confidence_threshold")
"""Of the description of a file, what metadata.json repeats."""


class ConversionError(RuntimeError):
    """There is no network to convert, or the file is not accurate enough. The message says what to do."""


@dataclass(frozen=True)
class _Calibrated:
    """A network with its temperature folded in, and what its files are made of and verified on."""

    network: keras.Model
    temperature: float
    known: dict[str, Any]
    data_set: data.DataSet
    validation: splits.Photos
    test: verify.StoredSplit


def convert(args: argparse.Namespace) -> None:
    """Convert to each precision, verify, and write the files and their parts of metadata.json.

    A file elsewhere is an experiment: metadata.json describes those beside it.

    Raises:
        ConversionError: see there.
        data.DataError: the data cannot be used.
    """
    calibrated = _calibrated(args)
    known = calibrated.known
    for mode in args.quantize:
        converted = _convert(calibrated, mode, args)
        if args.output is None or args.output.resolve().parent == args.model.resolve().parent:
            known.setdefault("conversions", {})[mode] = converted
            metadata.write(args.model.parent, known)


def _calibrated(args: argparse.Namespace) -> _Calibrated:
    network, known = _load(args.model), metadata.read(args.model.parent)
    data_set = metadata.data_set_of(known, args.data_dir)
    photos = {
        split: splits.load_split(data_set, split, network.input_shape[1], args.cache_dir) for split in MEASURED_ON
    }
    if args.mirror:
        network = models.mirrored(network)
    temperature = _calibrate(network, photos["validation"])
    test = verify.StoredSplit(photos["test"], models.predict(network, photos["test"]))
    return _Calibrated(network, temperature, known, data_set, photos["validation"], test)


def _convert(calibrated: _Calibrated, mode: Mode, args: argparse.Namespace) -> dict[str, Any]:
    """Make the file of one precision; returns its part of metadata.json."""
    output = args.output or _beside(args.model, mode)
    content, details = _quantized(calibrated, mode, args, output)
    with _candidate(output) as candidate:
        _write(candidate, content, calibrated.data_set, details)
        details["confidence_threshold"] = _threshold(candidate, calibrated.validation, args.max_false_alarm_rate)
        _write(candidate, content, calibrated.data_set, details)
        results = _verify(args, mode, candidate, output, calibrated.test)
        candidate.replace(output)
    converted = {
        "file": output.name,
        "network": calibrated.network.name,
        "version": model_file.read(output).version,
        "bytes": output.stat().st_size,
        **{key: details[key] for key in _IN_METADATA},
        "runtimes": results,
    }
    print(f"wrote {output} ({converted['bytes'] / 1e6:.2f} MB, version {converted['version']})")
    return converted


def _quantized(
    calibrated: _Calibrated, mode: Mode, args: argparse.Namespace, output: Path
) -> tuple[bytes, dict[str, Any]]:
    """The file without its description, and the description; `output` is where it goes."""
    height, width = calibrated.network.input_shape[1:3]
    details = {
        "input": {"height": height, "width": width, "channels": "RGB", "range": [0, 255]},
        "quantization": mode,
        "mirrored": args.mirror,
        "temperature": calibrated.temperature,
        "max_false_alarm_rate": args.max_false_alarm_rate,
        "data": calibrated.known.get("data", {}),
        "training": calibrated.known.get("models", {}).get(calibrated.network.name, {}),
        "calibration": None,
    }
    if mode != "int8":
        return quantize.convert(models.with_map(calibrated.network), mode), details
    content, calibration = _closest(calibrated, args, output, details)
    return content, {**details, "calibration": calibration}


def _closest(
    calibrated: _Calibrated, args: argparse.Namespace, output: Path, details: dict[str, Any]
) -> tuple[bytes, dict[str, Any]]:
    """Of int8 files calibrated on several samples, the one that answers validation photos most as the network does."""
    network, data_set, size = calibrated.network, calibrated.data_set, calibrated.network.input_shape[1]
    skipped = splits.load_split(data_set, "train", size, args.cache_dir).skipped
    is_whole = args.calibration_photos >= len(data.read_split(data_set, "train"))
    samples = 1 if is_whole else args.calibration_samples  # all photos are one sample
    wanted = models.predict(network, calibrated.validation) if samples > 1 else None
    found, with_map = [], models.with_map(network)
    for seed in range(args.seed, args.seed + samples):
        photos = _representative(data_set, size, args.calibration_photos, seed, skipped)
        content = quantize.convert(with_map, "int8", photos)
        calibration = {"photos": len(photos), "split": "train", "seed": seed}
        if wanted is None:
            return content, calibration
        with _candidate(output) as candidate:
            _write(candidate, content, data_set, details)
            distance = metrics.divergence(wanted, _answers(candidate, calibrated.validation))
        print(f"calibrated on sample {seed}: diverges by {distance:.6f} nats from the network on the validation split")
        found.append((distance, seed, content, calibration))
    return min(found)[2:]


def _load(file: Path) -> keras.Model:
    if not file.is_file():
        raise ConversionError(f"{file}: no such file; make it with `python -m train`, or name another with --model")
    try:
        return keras.models.load_model(file)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConversionError(f"{file}: is no network of Keras; make it with `python -m train`") from error


def _beside(model: Path, mode: Mode) -> Path:
    """The default name of a file: model.keras gives model.tflite (int8), model.float16.tflite and so on."""
    return model.with_suffix(".tflite" if mode == "int8" else f".{mode}.tflite")


def _calibrate(network: keras.Model, validation: splits.Photos) -> float:
    temperature = calibrate.temperature(validation.labels, models.predict(network, validation))
    calibrate.fold(network, temperature)
    print(f"temperature {temperature:.3f}, fitted on the {len(validation)} photos of the validation split")
    return temperature


def _write(file: Path, content: bytes, data_set: data.DataSet, details: dict[str, Any]) -> None:
    known = {key: value for key, value in details.items() if value is not None}
    file.write_bytes(model_file.pack(content, data_set.labels, data.positive(data_set.labels), known))


@contextlib.contextmanager
def _candidate(output: Path) -> Iterator[Path]:
    """A place for the file until it is verified, in the same folder: one rename then replaces the previous file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    candidate = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        yield candidate
    finally:
        candidate.unlink(missing_ok=True)


def _answers(file: Path, photos: splits.Photos) -> metrics.Probabilities:
    """Those of a file, as `models.predict` gives the network's."""
    classifier = Classifier(file)
    images = (image for batch in photos.decoded(_BATCH) for image in batch)
    answers = np.array([classifier.probabilities(image.tobytes()) for image in images])
    return answers[:, 1] if answers.shape[1] == 2 else answers


def _threshold(file: Path, validation: splits.Photos, max_false_alarm_rate: float) -> float | None:
    """The confidence threshold from the answers of the file itself; None: its answers never say `uncertain`."""
    if not max_false_alarm_rate:
        return None
    answers = metrics.top(_answers(file, validation))[1]
    threshold = calibrate.confidence_threshold(answers, max_false_alarm_rate)
    if threshold is None:
        print(
            f"no confidence threshold: {len(answers)} validation photos are too few to show a false-alarm rate of at "
            f"most {max_false_alarm_rate:.1%}; answers will not say `uncertain`. Allow more with --max-false-alarm-rate"
        )
    return threshold


def _verify(
    args: argparse.Namespace, mode: Mode, candidate: Path, output: Path, split: verify.StoredSplit
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    allowed = _allowed_drop(args.max_accuracy_drop, len(split.photos))
    for python in (Path(sys.executable), *args.runtime_python):
        try:
            measured = verify.measure_in(python, candidate, split.photos.stored)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip() or str(error)).splitlines()[-1]
            raise ConversionError(f"{python} cannot run the file: {reason}; {output} is unchanged") from error
        result = verify.compare(split, measured, candidate)
        print(verify.summary(mode, measured["runtime"], result))
        drop = metrics.accuracy_drop(result)
        if drop > allowed + 1e-9:
            raise ConversionError(
                f"{mode} in {measured['runtime']} is {drop:.2f} percentage points less accurate than the "
                f"network, more than --max-accuracy-drop {allowed:g}; {output} is unchanged. Train on more photos, "
                "or allow more"
            )
        results[measured["runtime"]] = result
    return results


def _allowed_drop(asked: float | None, photos: int) -> float:
    """In percentage points. By default, one photo of a small test split may change."""
    return max(MAX_ACCURACY_DROP, 100 / photos) if asked is None else asked


def _representative(data_set: data.DataSet, size: int, count: int, seed: int, skipped: Collection[str] = ()) -> Pixels:
    """Photos of the training split as they are served, (photos, size, size, 3), without those that training skipped."""
    photos = data.read_split(data_set, "train")
    chosen = np.random.default_rng(seed).choice(len(photos), min(count, len(photos)), replace=False)
    images = []
    for place in sorted(chosen.tolist()):
        if photos[place].name not in skipped:
            with contextlib.suppress(ProblemError):  # training has named it
                images.append(decode(photos[place].data, size, size))
    return np.array(images, np.uint8)
