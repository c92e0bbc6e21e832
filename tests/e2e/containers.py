"""A container engine for `sam` and `docker`: a running one, or one that ../shared/container/setup starts."""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

PODMAN = "unix:///run/podman/podman.sock"
# Python's own images, which stand-ins replace where they cannot be pulled: AWS's stand-ins without AWS's entry point.
STAND_INS = {
    "docker.io/library/python:3.13-slim": "public.ecr.aws/lambda/python:3.13",
    "public.ecr.aws/docker/library/python:3.11-slim-bookworm": "public.ecr.aws/lambda/python:3.11",
}


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
    with _used(PODMAN):
        with installing():
            done = subprocess.run([setup, "3.13", "3.11"], capture_output=True, text=True, timeout=500, check=False)
            if done.returncode:
                raise NoEngineError(f"{setup} failed: {done.stderr[-500:]}")
            make_stand_ins()
        yield PODMAN


@contextmanager
def _used(url: str) -> Iterator[None]:
    """Note that this process uses the engine. Of several test processes, the last stops it if a test started it."""
    with (Path(tempfile.gettempdir()) / "tests-engine.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not answers(url):
            lock.write("started by a test\n")
            lock.flush()
        try:
            yield
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock.seek(0)
                if lock.read() and answers(url):
                    stop_listener(url)
                lock.truncate(0)


@contextmanager
def installing() -> Iterator[None]:
    """Wait while another test process installs Debian's packages: apt-get runs once at a time."""
    with (Path(tempfile.gettempdir()) / "tests-apt-get.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_stand_ins() -> None:
    """Make the images of `STAND_INS`."""
    for name, base in STAND_INS.items():
        if subprocess.run(["podman", "image", "exists", name], check=False).returncode:
            dockerfile = f"FROM {base}\nRUN rm /lambda-entrypoint.sh\nWORKDIR /\nENTRYPOINT []\n"
            subprocess.run(
                ["podman", "build", "--quiet", "--tag", name, "-"],
                input=dockerfile.encode(),
                check=True,
                capture_output=True,
                timeout=120,
            )


def base_image(engine: str, dockerfile: Path, stage: str) -> str:
    """The image that a stage of the file is pinned to, or the stand-in for it where it cannot be pulled."""
    (pinned,) = re.findall(rf"^FROM (\S+) AS {stage}$", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
    return str(pinned).partition("@")[0] if engine == PODMAN else str(pinned)


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
    return subprocess.run(
        ["docker", *arguments], env=environment(engine), capture_output=True, text=True, timeout=120, check=True
    ).stdout


def environment(engine: str) -> dict[str, str]:
    """The environment of a `docker` that talks to this engine."""
    return os.environ | {"DOCKER_HOST": engine}
