"""The README's commands, in its order, in a fresh clone. Training takes a few small photos and one epoch.

The environments are not made again, and those that the README needs are the ones that the tests run in.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, free_port, make_photos

FIRST = ["make predict", "make predict IMAGE=photo.jpg", "make serve"]
TRAINING = ["make train", "make convert", "make publish", "make predict"]
ELSEWHERE = {
    "docker": "needs Docker",
    "make build": "needs Docker: tests/e2e/test_container.py",
    "make invoke": "needs Docker: tests/e2e/test_container.py",
    "make deploy": "needs AWS credentials: tests/stacks and tests/e2e/test_stack.py deploy to emulated services",
}
"""Beginnings of the commands that are not run here, and why."""

SMALL = {
    "DATA": "photos",
    "TRAIN_FLAGS": "--epochs 1 --fine-tune-epochs 1 --img-size 32 --batch-size 32 --weights none",
    "CONVERT_FLAGS": "--calibration-photos 8 --max-accuracy-drop 100",
    "CHECK_FLAGS": "--criteria criteria.toml",
}
"""Variables of the Makefile that make training short; the commands stay as they are."""


def commands() -> list[str]:
    """Of the README, without their comments."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [re.split(r" {2,}#", command)[0] for command in re.findall(r"^\$ (.+)$", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git clone` gives, with environments that are older than no lock: make has nothing to install."""
    place = tmp_path_factory.mktemp("clone")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    for lock in (place / "requirements").iterdir():
        os.utime(lock, (0, 0))
    (place / ".venv").mkdir()
    for name in ("serve", "local", "dev"):
        (place / ".venv" / name).symlink_to(sys.prefix, target_is_directory=True)
    old = ROOT / ".venv" / "tflite-runtime-test"
    if old.exists():  # made by `make test`, which runs this
        (place / ".venv" / old.name).symlink_to(old, target_is_directory=True)
    make_photos(place / "photos", 40)
    shutil.copy(ROOT / "examples" / "dog.jpg", place / "photo.jpg")
    (place / "criteria.toml").write_text('"accuracy drop" = { at_most = 100 }\n')
    return place


def environment(**variables: str) -> dict[str, str]:
    """As in a shell of its own: the tests themselves may run under make."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return {**own, **variables}


def run(clone: Path, command: str, **variables: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=clone, env=environment(**variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def predicted(clone: Path, command: str) -> Any:
    return json.loads(run(clone, command))


def serves(clone: Path, command: str) -> bool:
    """Whether the command starts a service that is well, until Ctrl-C ends it."""
    port = free_port()
    # The port is the Makefile's variable: another program may have 8000.
    variables = environment(PORT=str(port))
    with subprocess.Popen(["bash", "-c", command], cwd=clone, env=variables, start_new_session=True) as process:
        try:
            return "ok" in _asked(f"http://localhost:{port}/health", process)
        finally:
            os.killpg(process.pid, signal.SIGINT)


def _asked(url: str, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url) as answer:
                return str(answer.read())
        except OSError:
            time.sleep(0.1)
    return ""


def test_every_command_is_run_here_in_this_order_or_has_a_reason() -> None:
    assert [command for command in commands() if not command.startswith(tuple(ELSEWHERE))] == [*FIRST, *TRAINING]


def test_a_photo_is_classified_at_once(clone: Path) -> None:
    sample, photo, service = FIRST
    shown = re.search(r"```json\n(.+)\n```", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown is not None
    assert predicted(clone, sample) == json.loads(shown[1])
    assert predicted(clone, photo)["label"] == "dog"
    assert serves(clone, service)


@pytest.mark.training
def test_a_model_is_trained_converted_published_and_served(clone: Path) -> None:
    train, convert, publish, predict = TRAINING
    before = predicted(clone, predict)
    for command in (train, convert, publish):
        run(clone, command, **SMALL)
    after = predicted(clone, predict)
    assert after["model_version"] != before["model_version"]
    known = json.loads((clone / "models" / "metadata.json").read_text())
    network = known["models"]["mobilenetv2"]
    assert network["parameters"] == 2_257_984 + 1281  # of the backbone (keras.applications) and the head
    assert network["epochs_run"] == {"frozen": 1, "fine-tune": 1}
    assert after["model_version"] == known["conversions"]["int8"]["version"]
    assert "the folder `photos`: 64 training photos" in (clone / "models" / "README.md").read_text()
