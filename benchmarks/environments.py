"""Our handler and the baselines, each in a virtual environment of its own, made on first use from hashed locks.

All of them run the same trained network, `models/cats_dogs.keras`: see `benchmarks.derive`.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
CONTENDERS_DIR: Final = Path(__file__).with_name("contenders")
LOCKS_DIR: Final = Path(__file__).with_name("requirements")

# The last Python with wheels of tflite-runtime. All run on it, so none gains from a faster interpreter.
PYTHON: Final = "python3.11"

OURS: Final = "litert"
"""Our handler as it is deployed by default: the targets are about it."""
TUTORIAL: Final = "tutorial"
KERAS: Final = "keras"


class BenchmarkError(RuntimeError):
    """The benchmarks cannot run here; the message says how to mend it."""


@dataclass(frozen=True)
class Contender:
    """One handler, ours or a baseline, ready to start.

    Attributes:
        name: short, as in results.json.
        title: as in tables and plots.
        python: the interpreter of its own virtual environment.
        folder: where its code is: the working directory of its processes.
        environ: the variables that it needs, `MODEL_PATH` among them.
        handler: "module.function" that answers URLs and uploads.
        s3_handler: "module.function" that answers S3 notifications; empty: it does not answer them.
        http_app: "module:app" for uvicorn, if it is a web server and not a Lambda function; else empty.
    """

    name: str
    title: str
    python: Path
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    handler: str = "lambda_function.handler"
    s3_handler: str = "lambda_function.handler"
    http_app: str = ""

    @property
    def model(self) -> Path:
        """The model file that it loads."""
        return Path(self.environ["MODEL_PATH"])

    @property
    def site_packages(self) -> Path:
        """Where its packages are installed."""
        return next(self.python.parents[1].glob("lib/python*/site-packages"))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """All environment variables of its processes; of this process's only those that any program needs."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | self.environ | dict(more or {})


@dataclass(frozen=True)
class _Recipe:
    """The parts of a handler: locks, and the model file by its name in `benchmarks.derive.derived`."""

    title: str
    locks: tuple[str, ...]
    model: str
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    handler: str = "lambda_function.handler"
    s3_handler: str = "lambda_function.handler"
    http_app: str = ""


_CLIENT: Final = "requirements/runtime-client.txt"
_S3_PATH: Final = {"PYTHONPATH": str(CONTENDERS_DIR / "s3")}
_RECIPES: Final = {
    OURS: _Recipe("ours: LiteRT int8", ("requirements/serve.txt", _CLIENT), "int8", ROOT),
    "tflite-runtime": _Recipe(
        "ours: tflite-runtime float16", ("requirements/serve-tflite-runtime.txt", _CLIENT), "float16", ROOT
    ),
    TUTORIAL: _Recipe(
        "tutorial: tflite-runtime float32",
        ("benchmarks/requirements/tutorial.txt",),
        "float32",
        CONTENDERS_DIR / "tutorial",
        _S3_PATH,
        handler="predictor.handler",
        s3_handler="s3_function.handler",
    ),
    "onnx": _Recipe(
        "tutorial with ONNX Runtime float32",
        ("benchmarks/requirements/onnx.txt",),
        "onnx",
        CONTENDERS_DIR / "onnx",
        _S3_PATH,
        handler="predictor.handler",
        s3_handler="s3_function.handler",
    ),
    KERAS: _Recipe(
        "Keras on TensorFlow, FastAPI",
        ("benchmarks/requirements/keras.txt",),
        "keras",
        CONTENDERS_DIR / "keras",
        # Its log of every processor feature would be in every answer's time.
        {"TF_CPP_MIN_LOG_LEVEL": "3"},
        handler="app.handler",
        s3_handler="",
        http_app="app:app",
    ),
}
NAMES: Final = tuple(_RECIPES)


def contenders(root: Path = ROOT, names: tuple[str, ...] = NAMES) -> list[Contender]:
    """Our handler and the baselines; makes the environments and model files that are missing (minutes, at first).

    Args:
        root: the project's folder.
        names: of those that are wanted.

    Raises:
        BenchmarkError: there is no Python 3.11, no trained network, or pip fails.
    """
    from benchmarks import derive

    models = derive.derived(root, {_RECIPES[name].model for name in names})
    return [_contender(root, name, models[_RECIPES[name].model]) for name in names]


def _contender(root: Path, name: str, model: Path) -> Contender:
    recipe = _RECIPES[name]
    return Contender(
        name=name,
        title=recipe.title,
        python=environment(root, f"benchmark-{name}", [root / lock for lock in recipe.locks]),
        folder=recipe.folder,
        environ={"MODEL_PATH": str(model), **recipe.environ},
        handler=recipe.handler,
        s3_handler=recipe.s3_handler,
        http_app=recipe.http_app,
    )


def environment(root: Path, name: str, locks: list[Path]) -> Path:
    """The Python of the virtual environment `name`, which is made again when its locks have changed.

    Raises:
        BenchmarkError: see `contenders`.
    """
    folder = root / ".venv" / name
    stamp = folder / "installed"
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        started = time.perf_counter()
        say(f"making {folder.relative_to(root)} from {', '.join(str(lock.relative_to(root)) for lock in locks)}")
        _make(folder, locks)
        stamp.write_text(wanted, encoding="ascii")
        say(f"made {folder.relative_to(root)} in {time.perf_counter() - started:.0f} s")
    return folder / "bin" / "python"


def _make(folder: Path, locks: list[Path]) -> None:
    python = shutil.which(PYTHON)
    if python is None:
        raise BenchmarkError(
            f"{PYTHON} is not on the PATH: install it, as tflite-runtime has no wheels for a later one"
        )
    commands = [[python, "-m", "venv", "--clear", "--without-pip", str(folder)]]
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-deps", "--require-hashes"]
    commands += [[*pip, "--requirement", str(lock)] for lock in locks]
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            raise BenchmarkError(f"this failed: {' '.join(command)}")


def emulator(root: Path = ROOT) -> Path:
    """AWS's runtime interface emulator, from aws-sam-cli's wheel.

    Raises:
        BenchmarkError: it is not installed, or there is none for this machine.
    """
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(os.uname().machine, "none")
    found = list(
        (root / ".venv" / "sam").glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}")
    )
    if not found:
        raise BenchmarkError("there is no .venv/sam with AWS's runtime emulator: run `make .venv/sam/installed`")
    return found[0]


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)
