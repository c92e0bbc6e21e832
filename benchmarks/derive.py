"""The same trained network in the format of each baseline, made on first use in .cache/benchmarks.

The shipped .tflite files are used as they are. The others come from `models/cats_dogs.keras` as the shipped int8 file
does: with its temperature folded in, and with test-time augmentation (the mirror image) if it has it. So their answers
agree.

    python -m benchmarks.derive --temperature T --mirror NETWORK FOLDER KIND...

does the work in a process of its own, so TensorFlow is gone from memory when the measuring starts.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from benchmarks.environments import BenchmarkError, say
from serve.model import model_file

NETWORK: Final = Path("models/cats_dogs.keras")
SHIPPED: Final = {"int8": Path("models/cats_dogs.tflite"), "float16": Path("models/cats_dogs.float16.tflite")}
DERIVED: Final = {"float32": "float32.tflite", "onnx": "float32.onnx", "keras": "calibrated.keras"}


def derived(root: Path, kinds: Iterable[str]) -> dict[str, Path]:
    """The model file of each kind: "int8", "float16", "float32", "onnx" or "keras".

    Raises:
        BenchmarkError: a file that they are made from is missing, or making them fails.
    """
    wanted = set(kinds)
    network, shipped = root / NETWORK, root / SHIPPED["int8"]
    missing = [path for path in (network, *(root / path for path in SHIPPED.values())) if not path.is_file()]
    if missing:
        raise BenchmarkError(f"{missing[0]}: no such file; make it with `make train` and `make convert`")
    details = model_file.read(shipped).details
    how = [f"--temperature={details['temperature']}", "--mirror" if details["mirrored"] else "--no-mirror"]
    folder = root / ".cache" / "benchmarks" / _key(network, how)
    files = {kind: folder / name for kind, name in DERIVED.items()}
    todo = sorted(kind for kind in wanted & set(files) if not files[kind].is_file())
    if todo:
        say(f"making {', '.join(todo)} of {NETWORK}")
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.derive", *how, str(network), str(folder), *todo]
        if subprocess.run(command, check=False, cwd=root).returncode:
            raise BenchmarkError(f"this failed: {' '.join(command)}")
    files |= {kind: root / path for kind, path in SHIPPED.items()}
    return {kind: files[kind] for kind in wanted}


def _key(network: Path, how: list[str]) -> str:
    made_by = Path(__file__).read_bytes()
    return hashlib.sha256(network.read_bytes() + " ".join(how).encode() + made_by).hexdigest()[:16]


def _float32(network: Any, path: Path) -> None:
    from convert import quantize

    path.write_bytes(quantize.convert(network, "none"))


def _onnx(network: Any, path: Path) -> None:
    import numpy as np

    network(np.zeros((1, *network.input_shape[1:]), np.float32))  # Keras cannot export a network that was never called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras uses old names of NumPy, on behalf of tf2onnx
        network.export(path, format="onnx", verbose=False)


def _keras(network: Any, path: Path) -> None:
    network.save(path)


_WRITERS: Final[dict[str, Callable[[Any, Path], None]]] = {"float32": _float32, "onnx": _onnx, "keras": _keras}


def main(argv: list[str]) -> None:
    """Make the files named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.derive")
    parser.add_argument("--temperature", type=float, required=True)
    parser.add_argument("--mirror", action=argparse.BooleanOptionalAction, required=True)
    parser.add_argument("network", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="+", choices=list(_WRITERS), metavar="kind")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    from convert import calibrate
    from train import models

    for kind in args.kinds:
        model = keras.models.load_model(args.network)
        calibrate.fold(model, args.temperature)
        # All but Keras's take -1..1, the output of keras-image-helper's "xception": they start behind the rescaling.
        start = model.inputs[0] if kind == "keras" else model.get_layer("rescaling").output
        seen = models.mirrored(model, start) if args.mirror else keras.Model(start, model.outputs[0], name=model.name)
        path = args.folder / DERIVED[kind]
        # Written under another name, then renamed: no run finds half a file. Keras reads the format off the name's end.
        candidate = path.with_name(f"{os.getpid()}.{path.name}")
        _WRITERS[kind](seen, candidate)
        candidate.replace(path)


if __name__ == "__main__":
    main(sys.argv[1:])
