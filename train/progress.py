"""The state of an interrupted run, on disk: weights, optimizer, random states, history."""

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from train.phases import PhaseName


class DamagedError(RuntimeError):
    """The state of a run cannot be read; the message says what to do."""


@dataclass
class Progress:
    """The state of a run beside its weights: the content of `progress.json`."""

    phase: int = 0
    epoch: int = 0
    step: int = 0  # steps done of the epoch
    elapsed: float = 0.0  # seconds, in these steps
    best_accuracy: float = 0.0
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    random_states: list[list[int]] = field(default_factory=list)
    finished: bool = False
    replaces: str = ""  # the network whose file stood in the place of this one's when the run began

    def seconds(self, phase: PhaseName) -> float:
        """Time spent in the epochs of a phase, including those before an interruption."""
        return sum(epoch["seconds"] for epoch in self.history if epoch["phase"] == phase)

    def start_epoch(self) -> None:
        """Begin the next epoch of the phase."""
        self.epoch, self.step, self.elapsed = self.epoch + 1, 0, 0.0

    def start_phase(self) -> None:
        """Begin the next phase."""
        self.phase, self.epoch, self.best_accuracy, self.waited = self.phase + 1, 0, 0.0, 0

    @classmethod
    def read(cls, folder: Path) -> "Progress":
        """The progress of an interrupted run, or of a new one if `folder` holds none.

        Raises:
            DamagedError: it cannot be read.
        """
        file = folder / "progress.json"
        try:
            return cls(**json.loads(file.read_text())) if file.is_file() else cls()
        except (ValueError, TypeError) as error:
            raise _damaged(file) from error


def save(model: keras.Model, progress: Progress, folder: Path) -> None:
    """Write the state of a run. A crash while writing leaves the previous state."""
    progress.random_states = [layer.seed_generator.state.numpy().tolist() for layer in _random_layers(model)]
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "new.keras")
    (folder / "new.json").write_text(json.dumps(asdict(progress), indent=1))
    (folder / "new.keras").replace(folder / "last.keras")
    (folder / "new.json").replace(folder / "progress.json")


def load(folder: Path) -> tuple[Progress, keras.Model]:
    """Read what `save` wrote. Keras does not save the state of random layers: this restores it.

    Raises:
        DamagedError: it cannot be read.
    """
    progress, file = Progress.read(folder), folder / "last.keras"
    try:
        model = keras.models.load_model(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(file) from error
    for layer, state in zip(_random_layers(model), progress.random_states, strict=True):
        layer.seed_generator.state.assign(state)
    return progress, model


def _damaged(file: Path) -> DamagedError:
    return DamagedError(f"{file}: is damaged; start over with --overwrite")


def _random_layers(model: keras.Model) -> list[keras.layers.Dropout]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
