"""Contenders as processes: under AWS's runtime emulator, behind HTTP, or called in a loop. Loopback only.

Each process is stopped by its own id when the `with` block ends.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

from benchmarks import environments, events
from benchmarks.environments import BenchmarkError, Contender

START_S: Final = 120.0
_INVOCATIONS: Final = "/2015-03-31/functions/function/invocations"
AWS: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",  # pragma: allowlist secret
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

Invoke = Callable[[Any], Any]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to a file that is shown if it fails; stopped at the end."""
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(command, cwd=folder, env=dict(environ), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield started
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\n{_tail(log)}") from error
        finally:
            _stop(started)


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read()[-4000:].decode(errors="replace")


def _stop(started: subprocess.Popen[bytes]) -> None:
    """End the process and the ones that it started: the emulator leaves its runtime client behind."""
    children = _children(started.pid)
    started.terminate()
    try:
        started.wait(10)
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except FileNotFoundError:  # it has ended
        return []
    return [int(child) for child in found.split()]


def wait_for(port: int, started: subprocess.Popen[bytes]) -> None:
    """Return as soon as the port is open.

    Raises:
        BenchmarkError: the process ended, or did not open it.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if started.poll() is not None:
            raise BenchmarkError(f"{started.args!r} ended with status {started.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.002)
        else:
            return
    raise BenchmarkError(f"{started.args!r} did not open its port in {START_S:.0f} s")


def post(port: int, path: str, body: bytes, content_type: str = "application/json") -> Any:
    """What a server on loopback answers to a POST, out of its JSON.

    Raises:
        BenchmarkError: it does not answer with 200.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
    try:
        connection.request("POST", path, body, {"content-type": content_type})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchmarkError(f"no answer from {path}: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise BenchmarkError(f"{path} answered {response.status}: {answer[:500]!r}")
    return json.loads(answer)


@contextmanager
def emulated(contender: Contender, handler: str, environ: Mapping[str, str]) -> Iterator[Invoke]:
    """The handler under AWS's runtime emulator; it starts the runtime client when the first event comes."""
    port = free_port()
    command = [
        str(environments.emulator()),
        "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
        "--runtime-api-address", f"127.0.0.1:{free_port()}",
        str(contender.python), "-m", "awslambdaric", handler,
    ]  # fmt: skip
    environ = contender.environment({"AWS_LAMBDA_FUNCTION_TIMEOUT": "120", **environ})
    with process(command, contender.folder, environ) as started:
        wait_for(port, started)
        yield lambda event: post(port, _INVOCATIONS, json.dumps(event).encode())


@contextmanager
def served(contender: Contender, environ: Mapping[str, str]) -> Iterator[Invoke]:
    """A web server under uvicorn, once it listens. An event becomes the request that stands for it."""
    port = free_port()
    command = [str(contender.python), "-m", "uvicorn", contender.http_app, "--port", str(port)]
    with process(command, contender.folder, contender.environment(environ)) as started:
        wait_for(port, started)
        yield lambda event: _post_event(port, event)


def _post_event(port: int, event: dict[str, Any]) -> Any:
    if "url" in event:
        return post(port, "/predict", json.dumps(event).encode())
    body, content_type = form(events.body(event))
    return post(port, "/upload", body, content_type)


def form(photo: bytes) -> tuple[bytes, str]:
    """A multipart/form-data body with one file, and its content type."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'.encode()
    return head + photo + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Worker:
    """A contender's handler, called in a loop by `benchmarks.worker` in a process of its own."""

    def __init__(self, started: subprocess.Popen[str], errors: IO[bytes]) -> None:
        self._process = started
        # Both are pipes.
        self._asked, self._answers = cast("IO[str]", started.stdin), cast("IO[str]", started.stdout)
        self._errors = errors

    def call(self, *called: Any, count: int = 1) -> dict[str, Any]:
        """Call the handler `count` times with each event; returns what `benchmarks.worker.measured` says.

        Raises:
            BenchmarkError: the handler raised, and the process ended.
        """
        try:
            self._asked.write(json.dumps({"events": called, "count": count}) + "\n")
            self._asked.flush()
            answer = self._answers.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise BenchmarkError(f"{self._process.args!r} ended\n{_tail(self._errors)}")
        found: dict[str, Any] = json.loads(answer)
        return found


@contextmanager
def worker(
    python: Path, folder: Path, handler: str, environ: Mapping[str, str], prefix: tuple[str, ...] = ()
) -> Iterator[Worker]:
    """A worker; it ends with the block. `prefix` goes before the command, such as ("taskset", "-c", "0")."""
    command = [*prefix, str(python), str(Path(__file__).with_name("worker.py")), handler]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as started,
    ):
        try:
            yield Worker(started, errors)
        finally:
            started.kill()


def contender_worker(
    contender: Contender, environ: Mapping[str, str], *, s3: bool = False
) -> contextlib.AbstractContextManager[Worker]:
    """A worker of the contender's handler for URLs and uploads, or of the one for S3 notifications."""
    handler = contender.s3_handler if s3 else contender.handler
    return worker(contender.python, contender.folder, handler, contender.environment(environ))


class S3:
    """A stand-in for S3 with two buckets. Every photo put there gets a key of its own, as every upload does."""

    def __init__(self, client: Any, environ: dict[str, str]) -> None:
        self._client = client
        self._count = 0
        self.environ = environ

    def put(self, photo: bytes, count: int = 1) -> list[str]:
        """Put the photo there so many times; returns the keys."""
        keys = [f"photo-{self._count + place}.jpg" for place in range(count)]
        self._count += count
        for key in keys:
            self._client.put_object(Bucket=events.UPLOADS, Key=key, Body=photo)
        return keys


@contextmanager
def s3() -> Iterator[S3]:
    """A stand-in for S3 (moto), a server of its own; `environ` leads boto3 there, and names the bucket for results."""
    import boto3

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with process(command, Path.cwd(), os.environ) as started:
        wait_for(port, started)
        session = boto3.Session(AWS["AWS_ACCESS_KEY_ID"], AWS["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        client = session.client("s3", endpoint_url=url)
        for bucket in (events.UPLOADS, events.RESULTS):
            client.create_bucket(Bucket=bucket)
        try:
            yield S3(client, AWS | {"AWS_ENDPOINT_URL_S3": url, "RESULTS_BUCKET": events.RESULTS})
        finally:
            client.close()


def allowing(server: str) -> dict[str, str]:
    """The settings with which our handler fetches from a server on loopback."""
    return {"URL_ALLOWED_NETWORKS": "127.0.0.1/32", "URL_ALLOWED_PORTS": server.rpartition(":")[2]}
