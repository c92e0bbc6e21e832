"""metadata.json: the data, the training and the figures of each network. `train` and `convert` write it."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from train import data
from train.data import FOLDER, DataError, DataSet

FILE: Final = "metadata.json"


def read(models_dir: Path) -> dict[str, Any]:
    """The content of the file; empty if there is none.

    Raises:
        DataError: it is damaged.
    """
    file = models_dir / FILE
    try:
        return dict(json.loads(file.read_text())) if file.is_file() else {}
    except ValueError as error:
        raise DataError(f"{file}: is damaged: {error}; restore it, or delete it and train again") from error


def write(models_dir: Path, metadata: dict[str, Any]) -> None:
    """Replace the file in one step."""
    models_dir.mkdir(parents=True, exist_ok=True)
    partial = models_dir / f".{FILE}.{os.getpid()}"
    partial.write_text(json.dumps(metadata, indent=2) + "\n")
    partial.replace(models_dir / FILE)


def data_set_of(known: dict[str, Any], data_dir: Path | None = None) -> DataSet:
    """The data set that a network was trained on.

    Args:
        known: the content of the file.
        data_dir: its folder, if it is not where it was.

    Raises:
        DataError: it is another data set, its photos have changed, or the metadata does not say where it is.
    """
    trained_on = known.get("data")
    if trained_on is None:
        raise DataError(f"no {FILE} beside the network says what it was trained on; make both with `python -m train`")
    place = data_dir or known.get("data_dir")
    if place is None and trained_on["version"] == FOLDER:  # publishing removes the place
        raise DataError(f"the network was trained on the folder {trained_on['name']}; name it with --data-dir")
    if place and data_dir is None and not Path(place).is_dir():
        raise DataError(f"{place}: no such folder, where the photos were; name theirs with --data-dir")
    data_set = data.open_data_set(Path(place) if place else None)
    if difference := data.difference(data_set.labels, trained_on["labels"]):
        raise DataError(f"{data_set.name}: its classes are not the network's: {difference}")
    positive = trained_on.get("positive_class")
    if positive != data.positive(data_set.labels):
        data_set = data.open_data_set(Path(place) if place else None, positive)
    if trained_on.get("identity") != data_set.identity():
        raise DataError(f"the network was trained on other photos ({trained_on['name']}); train again, or name those")
    return data_set


def environment() -> dict[str, str]:
    """Versions of the packages that shape a result, the commit, and the cores that the times depend on."""
    packages = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pillow")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "git_commit": git_commit(),
        "cores": str(os.cpu_count()),
    }


def git_commit() -> str:
    """The commit checked out here, with "+" if files differ from it, or "unknown"."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
