"""`uvicorn local.server:app` as a process of its own, the way a person starts it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import IO
from urllib.parse import urlsplit

from tests.conftest import ROOT, free_port


def may_fetch_from(url: str) -> dict[str, str]:
    """The settings that let a service fetch from a server on loopback, and from nowhere else."""
    parts = urlsplit(url)
    return {
        "URL_ALLOWED_HOSTS": "127.0.0.1",
        "URL_ALLOWED_NETWORKS": "127.0.0.0/8",
        "URL_ALLOWED_PORTS": str(parts.port),
    }


@dataclass
class LocalService:
    """A service on loopback that can be stopped and started again, at the same place."""

    environment: dict[str, str]
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    output: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None
        return self.process

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "local.server:app", "--port", str(self.port), *self.arguments],
            cwd=ROOT, env={**os.environ, **self.environment}, stdout=self.output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not self._is_up():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def _is_up(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
        self.process = None

    def log(self) -> str:
        """What the service has printed so far."""
        self.output.seek(0)
        return self.output.read().decode()


@contextmanager
def local_service(*arguments: str, **environment: str) -> Iterator[LocalService]:
    service = LocalService(environment, arguments)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        service.output.close()
