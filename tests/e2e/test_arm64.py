"""The handler on arm64: the same answers as here, from the packages that the image installs there, under emulation."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import arm64
from tests.e2e.containers import installing

PHOTOS = 50
# Of a probability: one unit of its last digit. Seen: none, for these 50 photos.
TOLERANCE = 1e-6

PROGRAM = """
import base64, json, sys
import lambda_function

for path in sys.argv[1:]:
    with open(path, "rb") as file:
        image = base64.b64encode(file.read()).decode()
    print(json.dumps(lambda_function.handler({"image": image}, None)))
"""
ENVIRONMENT = {"AWS_DEFAULT_REGION": "us-east-1", "LOG_LEVEL": "ERROR"}


@pytest.fixture(scope="module")
def photos(shared: Path) -> list[str]:
    found = sorted(str(path) for path in (shared / "photos").rglob("*.jpg"))
    return found[:: len(found) // PHOTOS][:PHOTOS]


def answers(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def emulator() -> None:
    """The emulated machine. CI makes it where it can, which takes a minute."""
    in_ci = os.environ.get("CI", "").lower() == "true"
    if in_ci and os.geteuid() == 0 and shutil.which("apt-get"):
        with installing():
            arm64.prepare()
    if not arm64.ready():
        pytest.skip("NOT TESTED: arm64, which needs `make graviton` (Debian, root)")


@pytest.mark.usefixtures("emulator")
def test_arm64_answers_as_this_machine_does(photos: list[str], root: Path) -> None:
    here = answers(
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *photos],
            env={**os.environ, **ENVIRONMENT},
            cwd=root,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    )
    there = answers(arm64.python(PROGRAM, photos, ENVIRONMENT))
    assert len(there) == len(here) == PHOTOS
    assert [each["label"] for each in there] == [each["label"] for each in here]
    differences = [abs(one["probability"] - other["probability"]) for one, other in zip(here, there, strict=True)]
    assert max(differences) <= TOLERANCE
