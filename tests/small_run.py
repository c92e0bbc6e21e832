"""A small trained network for tests of what comes after training, made once for a module."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, make_photos
from train import __main__ as train_cli


@dataclass(frozen=True)
class SmallRun:
    """A network as `python -m train` wrote it, and its data."""

    photos: Path
    cache: Path
    models: Path

    @property
    def data(self) -> list[str]:
        """The flags that name the data."""
        return ["--data-dir", str(self.photos), "--cache-dir", str(self.cache)]


def train(folder: Path) -> SmallRun:
    """Trains the baseline on 80 photos of 2 classes."""
    run = SmallRun(make_photos(folder / "photos", 40), folder / "cache", folder / "models")
    flags = ["--model", "baseline", "--img-size", "32", "--epochs", "3", "--batch-size", "8", "--learning-rate", "0.01"]
    assert train_cli.main([*run.data, *flags, "--output", str(run.models)]) == 0
    return run


def predict(model: Path, photo: Path) -> dict[str, Any]:
    """What `make predict` prints with this model in models/."""
    environment = {**os.environ, "MODEL_PATH": str(model), "LOG_LEVEL": "ERROR"}
    command = [sys.executable, str(ROOT / "lambda_function.py"), str(photo)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
