"""Real programs, which the tests start and stop."""

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port
from tests.e2e import containers
from tests.e2e.containers import installing

Invoke = Callable[[Any], Any]


@pytest.fixture(scope="session")
def emulator_path(root: Path) -> Path:
    """AWS's runtime interface emulator, from aws-sam-cli's wheel."""
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "none")
    found = list(
        (root / ".venv" / "sam").glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}")
    )
    if not found or sys.platform != "linux":
        pytest.skip("needs Linux and .venv/sam, which `make test` makes: AWS's emulator is in aws-sam-cli")
    return found[0]


@pytest.fixture
def start_emulator(emulator_path: Path, root: Path, tmp_path: Path) -> Iterator[Callable[..., Invoke]]:
    """Starts the function as Lambda does, with AWS's emulator and runtime client; returns how to invoke it."""
    started: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "log").open("wb")

    def start(**environment: str) -> Invoke:
        port = free_port()
        process = subprocess.Popen(
            [
                str(emulator_path),
                "--runtime-interface-emulator-address",
                f"127.0.0.1:{port}",
                "--runtime-api-address",
                f"127.0.0.1:{free_port()}",
                sys.executable,
                "-m",
                "awslambdaric",
                "lambda_function.handler",
            ],
            cwd=root,
            env={**os.environ, "AWS_LAMBDA_FUNCTION_TIMEOUT": "60", **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        wait_for(port, process)
        return lambda event: invoke(port, event)

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
    log.close()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the emulator ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the emulator did not open its port")


def invoke(port: int, event: Any) -> Any:
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode()), timeout=300) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def engine(root: Path) -> Iterator[str]:
    """The DOCKER_HOST of a container engine."""
    if sys.platform != "linux":
        pytest.skip("NOT TESTED: the container, which needs Linux")
    try:
        with containers.container_engine(root) as url:
            yield url
    except containers.NoEngineError as error:
        pytest.skip(f"NOT TESTED: the container: {error}")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's build of Chromium. CI installs it if it can, and fails without it."""
    in_ci = os.environ.get("CI", "").lower() == "true"
    if in_ci and not shutil.which("chromium") and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with installing():
            for command in ("update", "--yes --no-install-recommends install chromium"):
                arguments = ["apt-get", "--quiet", *command.split()]
                subprocess.run(arguments, env=environment, check=True, capture_output=True, timeout=500)
    if found := shutil.which("chromium"):
        return found
    reason = "NOT TESTED: the page, which needs a `chromium` command (Debian: apt-get install chromium)"
    if in_ci:
        pytest.fail(reason)
    pytest.skip(reason)
