"""The image for arm64: built and run on an emulated Graviton2, it answers as this machine does."""

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lambda_function
from tests.conftest import free_port
from tests.e2e import arm64, containers
from tests.e2e.conftest import Invoke, invoke, wait_for

PHOTOS = 50
# Of a probability: one unit of its last digit. Seen: none, for these 50 photos.
TOLERANCE = 1e-6
NAME = "tests-arm64"

pytestmark = pytest.mark.container


@pytest.fixture(scope="module")
def image(engine: str) -> Iterator[str]:
    """The image, built. Only a stand-in engine here: where images can be pulled, the workflow has real machines."""
    if not os.environ.get("CI"):
        pytest.skip("NOT TESTED: the image for arm64; emulation takes minutes, CI=true asks for them")
    if engine != containers.PODMAN:
        pytest.skip("NOT TESTED: the image for arm64, for which tests.e2e.arm64 needs Podman")
    try:
        with arm64.emulation():
            with containers.installing():
                arm64.make_base()
            arm64.build()
            yield arm64.IMAGE
    except arm64.NoEmulationError as error:
        pytest.skip(f"NOT TESTED: the image for arm64: {error}")


@pytest.fixture(scope="module")
def ask(image: str, emulator_path: Path) -> Iterator[Invoke]:
    """Invokes the function in its container, as Lambda runs it: no root, a read-only file system but for /tmp."""
    port, api_port = free_port(), free_port()
    command = [
        *("podman", "run", "--rm", "--name", NAME, "--platform", "linux/arm64", "--network", "host"),
        *("--user", "10001", "--read-only", "--tmpfs", "/tmp", "--env", "AWS_DEFAULT_REGION=us-east-1"),
        *("--env", "AWS_LAMBDA_FUNCTION_TIMEOUT=300", "--volume", f"{emulator_path}:/emulator:ro"),
        *("--entrypoint", "/emulator", image),
        *(
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{port}",
            "--runtime-api-address",
            f"127.0.0.1:{api_port}",
        ),
        *("/lambda-entrypoint.sh", "lambda_function.handler"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            wait_for(port, running)
            yield lambda event: invoke(port, event)
        finally:
            subprocess.run(["podman", "rm", "--force", NAME], capture_output=True, check=False)


@pytest.fixture(scope="module")
def events(shared: Path) -> list[dict[str, str]]:
    found = sorted((shared / "photos").rglob("*.jpg"))
    photos = found[:: len(found) // PHOTOS][:PHOTOS]
    return [{"image": base64.b64encode(path.read_bytes()).decode()} for path in photos]


def test_it_is_an_image_of_arm64(image: str) -> None:
    command = ["podman", "run", "--rm", "--platform", "linux/arm64", "--entrypoint", "python", image, "-c"]
    program = "import platform, ai_edge_litert, sys; print(platform.machine(), list(ai_edge_litert.__path__))"
    done = subprocess.run([*command, program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["aarch64", "['/var/task/ai_edge_litert']"]


def test_it_answers_as_this_machine_does(ask: Invoke, events: list[dict[str, str]]) -> None:
    here: list[dict[str, Any]] = [lambda_function.handler(event, None) for event in events]
    there: list[dict[str, Any]] = [ask(event) for event in events]
    assert [each["label"] for each in there] == [each["label"] for each in here]
    differences = [abs(one["probability"] - other["probability"]) for one, other in zip(here, there, strict=True)]
    assert len(differences) == PHOTOS
    assert max(differences) <= TOLERANCE
