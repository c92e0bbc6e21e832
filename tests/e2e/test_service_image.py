"""The local service's image: built and run as the README says, but on a read-only file system."""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3

from tests.conftest import free_port
from tests.e2e import containers

NAME = "tests-service-image"


@pytest.fixture(scope="module")
def commands(root: Path) -> tuple[list[str], list[str]]:
    """The README's `docker build` and `docker run`, with a name of this test for the image."""
    (line,) = re.findall(r"^\$ (docker build .*)$", (root / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    build, run = (shlex.split(command.replace("cats-dogs", NAME)) for command in line.split(" && "))
    return build, run


@pytest.fixture(scope="module")
def image(engine: str, root: Path, commands: tuple[list[str], list[str]]) -> str:
    base = containers.base_image(engine, root / "k8s" / "Dockerfile", "python")
    command = [*commands[0], "--build-arg", f"BASE_IMAGE={base}"]
    done = subprocess.run(
        command, cwd=root, env=containers.environment(engine), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return NAME


@pytest.fixture(scope="module")
def url(engine: str, image: str, commands: tuple[list[str], list[str]]) -> Iterator[str]:
    """The running service."""
    port = free_port()
    command = [argument.replace("127.0.0.1:8000:", f"127.0.0.1:{port}:") for argument in commands[1]]
    command[2:2] = ["--name", NAME, "--read-only", "--cap-drop", "ALL", "--network", "bridge"]
    environment = containers.environment(engine)
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", running)
            yield f"http://127.0.0.1:{port}"
        finally:
            subprocess.run(["docker", "rm", "--force", NAME], env=environment, capture_output=True, check=False)


def wait_until_it_answers(url: str, running: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if running.poll() is not None:
            pytest.fail(running.stderr.read().decode() if running.stderr else "it ended")
        with suppress(urllib3.exceptions.HTTPError):
            urllib3.request("GET", f"{url}/health", retries=False, timeout=2)
            return
        time.sleep(0.2)
    raise TimeoutError("the service does not answer")


def test_it_serves_the_page_and_classifies(url: str, cat_jpeg: bytes) -> None:
    assert b"<html" in urllib3.request("GET", url, timeout=60).data
    answer = urllib3.request("POST", f"{url}/predict", fields={"file": ("cat.jpg", cat_jpeg)}, timeout=60)
    assert answer.json()["label"] == "cat"


def test_no_root_runs_it(engine: str, url: str) -> None:
    command = ["docker", "exec", NAME, "sh", "-c", "id -u; touch /app/file"]
    done = subprocess.run(command, env=containers.environment(engine), capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "10001"
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_it_holds_what_the_dockerfile_copies_and_no_more(engine: str, image: str, root: Path) -> None:
    listing = containers.run(engine, image, "cd /app && find . -type f ! -name '*.pyc'").split()
    copied = [path for folder in ("serve", "local") for path in (root / folder).rglob("*")]
    wanted = {f"./{path.relative_to(root)}" for path in copied if path.is_file() and path.suffix != ".pyc"}
    assert set(listing) == wanted | {"./models/cats_dogs.tflite", "./requirements.txt"}
