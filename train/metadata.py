"""models/metadata.json: what was trained on what, how, and how well it did. `train` and `convert` write it."""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

FILE: Final = "metadata.json"


def read(models_dir: Path) -> dict[str, Any]:
    """What is known so far; empty where nothing is."""
    file = models_dir / FILE
    return dict(json.loads(file.read_text())) if file.is_file() else {}


def write(models_dir: Path, metadata: dict[str, Any]) -> None:
    """Replace the file in one step."""
    models_dir.mkdir(parents=True, exist_ok=True)
    partial = models_dir / f".{FILE}.{os.getpid()}"
    partial.write_text(json.dumps(metadata, indent=2) + "\n")
    partial.replace(models_dir / FILE)


def environment() -> dict[str, str]:
    """Versions of what shapes a result, and the commit it was made at."""
    packages = ("tensorflow", "keras", "tensorflow-datasets", "numpy", "pillow")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "git_commit": git_commit(),
    }


def git_commit() -> str:
    """The commit checked out here, "+" where files differ from it, or "unknown"."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
