"""metadata.json: the data, the training and the figures of each network. `train` and `convert` write it."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from train.data import FOLDER, DataError, Source

FILE: Final = "metadata.json"


def read(models_dir: Path) -> dict[str, Any]:
    """The content of the file; empty if there is none."""
    file = models_dir / FILE
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def write(models_dir: Path, metadata: dict[str, Any]) -> None:
    """Replace the file in one step."""
    models_dir.mkdir(parents=True, exist_ok=True)
    partial = models_dir / f".{FILE}.{os.getpid()}"
    partial.write_text(json.dumps(metadata, indent=2) + "\n")
    partial.replace(models_dir / FILE)


def data_dir(known: dict[str, Any], asked: Path | None) -> Path | None:
    """The folder of the data set that a network was trained on; None: TFDS `cats_vs_dogs`.

    Args:
        known: the content of the file.
        asked: the folder that the user names, if it is not where it was.

    Raises:
        DataError: it was a folder, and the metadata does not say which: publishing removes that.
    """
    trained_on = asked or known.get("data_dir")
    if trained_on is None and known.get("data", {}).get("version") == FOLDER:
        raise DataError(f"the network was trained on the folder {known['data']['name']}; name it with --data-dir")
    return Path(trained_on) if trained_on else None


def check_data(known: dict[str, Any], source: Source) -> None:
    """Compare a data set with the one that the network was trained on.

    Raises:
        DataError: it is another one, or its photos have changed.
    """
    trained_on = known.get("data")
    if trained_on is None:
        raise DataError(f"no {FILE} beside the network says what it was trained on; make both with `python -m train`")
    if tuple(trained_on["labels"]) != source.labels:
        raise DataError(f"the network's classes are {trained_on['labels']}, those of the data {list(source.labels)}")
    if (trained_on["name"], trained_on.get("identity")) != (source.name, source.identity()):
        raise DataError(f"the network was trained on other photos ({trained_on['name']}); train again, or name those")


def environment() -> dict[str, str]:
    """Versions of the packages that shape a result, and the commit."""
    packages = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pillow")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "git_commit": git_commit(),
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
