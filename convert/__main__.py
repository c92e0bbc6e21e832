"""python -m convert: models/cats_dogs.keras in, models/cats_dogs.tflite out, if it is good enough."""

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

import keras
import numpy as np

from convert import calibrate, quantize, verify
from serve.errors import ProblemError
from serve.model import model_file
from serve.model.classifier import Classifier
from train import data, metadata, models
from train.pixels import Pixels, decode


class ConversionError(RuntimeError):
    """There is nothing to convert, or what came out is not good enough; the message says what to do."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m convert",
        description="Convert a trained .keras model to a .tflite file that describes itself, and verify it on the test "
        "split, from file bytes through serve.Classifier. A file that loses too much accuracy replaces nothing.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument("--quantize", choices=quantize.MODES, default="int8", help="precision of weights and activations")
    p.add_argument("--model", type=Path, default=Path("models/cats_dogs.keras"), help="the trained model")
    p.add_argument("--output", type=Path, default=Path("models/cats_dogs.tflite"), help="the file to write")
    p.add_argument(
        "--data-dir", type=Path, default=None, help="the folder the model was trained on, in place of cats_vs_dogs"
    )
    p.add_argument("--cache-dir", type=Path, default=Path(".cache"), help="where decoded photos are kept")
    p.add_argument(
        "--uncertain-share",
        type=float,
        default=0.015,
        metavar="SHARE",
        help="answers are `uncertain` below the confidence of all but this share of the validation split; "
        "0: they say nothing of it",
    )
    p.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="answer from the photo and its mirror image together: fewer mistakes, for twice the inference",
    )
    p.add_argument("--calibration-photos", type=int, default=300, help="of the training split, for int8")
    p.add_argument("--seed", type=int, default=1, help="which photos those are")
    p.add_argument(
        "--max-accuracy-drop", type=float, default=0.3, metavar="POINTS", help="in percent points below the Keras model"
    )
    p.add_argument(
        "--runtime-python",
        type=Path,
        action="append",
        default=[],
        metavar="PYTHON",
        help="verify with the runtime that this Python has, too, such as .venv/tflite-runtime-test/bin/python",
    )
    return p


def convert(args: argparse.Namespace) -> dict[str, Any]:
    """Convert, verify and write; returns what was written of this mode into metadata.json.

    Raises:
        ConversionError: see there.
        data.DataError: the data cannot be used.
    """
    if not args.model.is_file():
        raise ConversionError(
            f"{args.model}: no such file; make it with `python -m train`, or name another with --model"
        )
    model = keras.models.load_model(args.model)
    source = data.Source(args.data_dir)
    size = model.input_shape[1]
    representative = None
    if args.quantize == "int8":
        representative = _representative(source, size, args.calibration_photos, args.seed)
    if args.mirror:
        model = models.mirrored(model)
    validation = data.load_split(source, "validation", size, args.cache_dir)
    temperature = calibrate.temperature(validation.labels, models.predict(model, validation))
    calibrate.fold(model, temperature)
    print(f"temperature {temperature:.3f}, fitted on the {len(validation)} photos of the validation split")
    known = metadata.read(args.model.parent)
    details = {
        "input": {"height": model.input_shape[1], "width": model.input_shape[2], "channels": "RGB", "range": [0, 255]},
        "quantization": args.quantize,
        "mirrored": args.mirror,
        "temperature": temperature,
        "data": known.get("data", {}),
        "training": known.get("models", {}).get(model.name, {}),
    }
    content = quantize.convert(model, args.quantize, representative)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place: one rename puts it there.
    candidate = args.output.with_name(f".{args.output.name}.{os.getpid()}")
    try:
        candidate.write_bytes(model_file.pack(content, source.labels, source.labels[1], details))
        if args.uncertain_share:
            sure = Classifier(candidate)
            said = np.array([sure.probability(image.tobytes()) for image in validation.images])
            details["confidence_threshold"] = calibrate.confidence_threshold(said, args.uncertain_share)
            candidate.write_bytes(model_file.pack(content, source.labels, source.labels[1], details))
        test = data.load_split(source, "test", size, args.cache_dir)
        results = _verify(args, candidate, verify.encoded_split(source, test, model))
        candidate.replace(args.output)
    finally:
        candidate.unlink(missing_ok=True)
    converted = {
        "version": model_file.read(args.output).version,
        "bytes": args.output.stat().st_size,
        "calibration": None
        if representative is None
        else {"photos": len(representative), "split": "train", "seed": args.seed},
        "mirrored": args.mirror,
        "temperature": temperature,
        "confidence_threshold": details.get("confidence_threshold"),
        "runtimes": results,
    }
    known.setdefault("conversions", {})[args.quantize] = converted
    metadata.write(args.model.parent, known)
    print(f"wrote {args.output} ({args.output.stat().st_size / 1e6:.2f} MB, version {converted['version']})")
    return converted


def _verify(args: argparse.Namespace, candidate: Path, split: verify.EncodedSplit) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for python in (Path(sys.executable), *args.runtime_python):
        measured = verify.measure_in(python, candidate, split.images)
        result = verify.compare(split, measured, candidate)
        print(verify.summary(args.quantize, measured["runtime"], result))
        drop = verify.accuracy_drop(result)
        if drop > args.max_accuracy_drop:
            raise ConversionError(
                f"{args.quantize} in {measured['runtime']} loses {drop:.2f} points of accuracy, more than "
                f"--max-accuracy-drop {args.max_accuracy_drop}; {args.output} stays as it was"
            )
        results[measured["runtime"]] = result
    return results


def _representative(source: data.Source, size: int, count: int, seed: int) -> Pixels:
    """Photos of the training split as they are served, (photos, size, size, 3); undecodable ones are left out."""
    total = len(source.bounds("train"))
    chosen = set(np.random.default_rng(seed).choice(total, min(count, total), replace=False).tolist())
    images = []
    for place, photo in enumerate(source.read_split("train")):
        if place in chosen:
            with contextlib.suppress(ProblemError):  # training has named it
                images.append(decode(photo.data, size, size))
    return np.array(images, np.uint8)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        convert(parser().parse_args(argv))
    except (ConversionError, data.DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
