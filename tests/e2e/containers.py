"""A container engine for `sam`: a running one, or one that ../shared/container/setup starts."""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

PODMAN = "unix:///run/podman/podman.sock"
TFLITE_RUNTIME_BASE = "public.ecr.aws/docker/library/python:3.11-slim-bookworm"


class NoEngineError(Exception):
    """No container engine is available."""


def answers(url: str) -> bool:
    """Whether a container engine answers at this unix:// URL."""
    try:
        with connected(url) as engine:
            engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return engine.recv(64).startswith(b"HTTP/1.")
    except OSError:
        return False


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(5)
        engine.connect(urlsplit(url).path)
        yield engine


@contextmanager
def container_engine(root: Path) -> Iterator[str]:
    """Yields the DOCKER_HOST of an engine that can build and run Dockerfile.lambda.

    Raises:
        NoEngineError: none is available.
    """
    if shutil.which("docker") is None:
        raise NoEngineError("there is no `docker` command")
    setup = root.parent / "shared" / "container" / "setup"
    for url in filter(None, (os.environ.get("DOCKER_HOST"), "unix:///var/run/docker.sock")):
        if url.startswith("unix://") and url != PODMAN and answers(url):
            yield url
            return
    if not setup.exists() or os.geteuid() != 0:
        raise NoEngineError("no container engine answers at DOCKER_HOST or /var/run/docker.sock")
    was_there = answers(PODMAN)
    try:
        with installing():
            done = subprocess.run([setup, "3.13", "3.11"], capture_output=True, text=True, timeout=500, check=False)
        if done.returncode:
            raise NoEngineError(f"{setup} failed: {done.stderr[-500:]}")
        stand_in_for_debian()
        yield PODMAN
    finally:
        if not was_there and answers(PODMAN):
            stop_listener(PODMAN)


@contextmanager
def installing() -> Iterator[None]:
    """Wait while another test process installs Debian's packages: apt-get runs once at a time."""
    with (Path(tempfile.gettempdir()) / "tests-apt-get.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def stand_in_for_debian() -> None:
    """Stand in for Python's own image where it cannot be pulled: AWS's stand-in without AWS's entry point."""
    if subprocess.run(["podman", "image", "exists", TFLITE_RUNTIME_BASE], check=False).returncode:
        dockerfile = "FROM public.ecr.aws/lambda/python:3.11\nRUN rm /lambda-entrypoint.sh\nWORKDIR /\nENTRYPOINT []\n"
        subprocess.run(
            ["podman", "build", "--quiet", "--tag", TFLITE_RUNTIME_BASE, "-"],
            input=dockerfile.encode(),
            check=True,
            capture_output=True,
            timeout=120,
        )


def stop_listener(url: str) -> None:
    """End the process that listens at this URL."""
    with connected(url) as engine:
        credentials = engine.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, _uid, _gid = struct.unpack("3i", credentials)
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.1)


def host_address(engine: str) -> str:
    """The address of the host for a container on the default network."""
    return _client(engine, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()


def run(engine: str, image: str, script: str) -> str:
    """Run a shell script in a container; return its output."""
    return _client(engine, "run", "--rm", "--entrypoint", "/bin/sh", image, "-c", script)


def size(engine: str, image: str) -> int:
    """The size of an image with its base, in bytes."""
    return int(_client(engine, "image", "inspect", image, "--format", "{{.Size}}"))


def _client(engine: str, *arguments: str) -> str:
    environment = os.environ | {"DOCKER_HOST": engine}
    return subprocess.run(
        ["docker", *arguments], env=environment, capture_output=True, text=True, timeout=120, check=True
    ).stdout
