"""metadata.json: the data, the training and the figures of each network. `train` and `convert` write it."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

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
