"""A small trained network for tests of what comes after training, made once for a module."""

from dataclasses import dataclass
from pathlib import Path

from tests.conftest import make_photos
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
