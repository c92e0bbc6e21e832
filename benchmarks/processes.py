"""Handlers as processes: under AWS's runtime emulator, behind HTTP, or called in a loop. Loopback only.

Each process is stopped by its id when the `with` block ends.
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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Running:
    """A handler that waits for events.

    Attributes:
        pid: of the process that was started.
        port: that it listens on.
        is_emulated: whether AWS's runtime emulator is in front of it.
    """

    pid: int
    port: int
    is_emulated: bool

    def answer(self, event: dict[str, Any]) -> Any:
        """Its answer to an event. A web server gets the request that the event stands for.

        Raises:
            BenchmarkError: it does not answer with 200.
        """
        if self.is_emulated:
            return post(self.port, _INVOCATIONS, json.dumps(event).encode())
        if "url" in event:
            return post(self.port, "/predict", json.dumps(event).encode())
        return post(self.port, "/upload", events.form(events.body(event)), events.FORM)

    def disk_bytes(self) -> int:
        """Bytes that it has read from disk so far (proc(5), read_bytes), without the emulator's own."""
        pids = _children(self.pid) if self.is_emulated else [self.pid]
        return sum(_disk_bytes(pid) for pid in pids)


def _disk_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def free_ports(count: int) -> list[int]:
    """Different free ports of loopback."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def free_port() -> int:
    """A free port of loopback."""
    return free_ports(1)[0]


@contextmanager
def process(command: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process, stopped at the end. An error of the block shows its output."""
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
    found = []
    # Any thread may have started a child, and the emulator is a Go program.
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += [int(child) for child in path.read_text(encoding="ascii").split()]
    return found


def wait_for(port: int, started: subprocess.Popen[bytes]) -> None:
    """Return as soon as the port is open.

    Raises:
        BenchmarkError: the process ended, or did not open the port in time.
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
    """The JSON with which a server on loopback answers a POST.

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
def emulated(contender: Contender, handler: str, environ: Mapping[str, str]) -> Iterator[Running]:
    """The handler under AWS's runtime emulator; it starts the runtime client when the first event comes."""
    port, api_port = free_ports(2)
    command = [
        str(environments.emulator()),
        "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
        "--runtime-api-address", f"127.0.0.1:{api_port}",
        str(contender.python), "-m", "awslambdaric", handler,
    ]  # fmt: skip
    environ = contender.environment({"AWS_LAMBDA_FUNCTION_TIMEOUT": "120", **environ})
    with process(command, contender.folder, environ) as started:
        wait_for(port, started)
        yield Running(started.pid, port, is_emulated=True)


@contextmanager
def served(contender: Contender, environ: Mapping[str, str]) -> Iterator[Running]:
    """A web server under uvicorn, once it listens."""
    port = free_port()
    command = [str(contender.python), "-m", "uvicorn", contender.http_app, "--port", str(port)]
    with process(command, contender.folder, contender.environment(environ)) as started:
        wait_for(port, started)
        yield Running(started.pid, port, is_emulated=False)


class Worker:
    """A handler, called in a loop by `benchmarks.worker` in a process of its own."""

    def __init__(self, started: subprocess.Popen[str], errors: IO[bytes]) -> None:
        self._process = started
        # Both are pipes.
        self._asked, self._answers = cast("IO[str]", started.stdin), cast("IO[str]", started.stdout)
        self._errors = errors

    def call(self, *called: Any, count: int = 1) -> dict[str, Any]:
        """Call the handler `count` times with each event; returns the result of `benchmarks.worker.measured`.

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
    """A worker, stopped at the end. `prefix` goes before the command, for example ("taskset", "-c", "0")."""
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
    """A worker of the handler for URLs and uploads, or of the one for S3 notifications."""
    handler = contender.s3_handler if s3 else contender.handler
    return worker(contender.python, contender.folder, handler, contender.environment(environ))


class S3:
    """A stand-in for S3 with two buckets. Every photo gets a key of its own, as every upload does."""

    def __init__(self, client: Any, environ: dict[str, str]) -> None:
        self._client = client
        self._count = 0
        self.environ = environ

    def put(self, photo: bytes, count: int = 1) -> list[str]:
        """Put `count` copies of the photo there; returns their keys."""
        keys = [f"photo-{self._count + place}.jpg" for place in range(count)]
        self._count += count
        for key in keys:
            self._client.put_object(Bucket=events.UPLOADS, Key=key, Body=photo)
        return keys


@contextmanager
def s3() -> Iterator[S3]:
    """A stand-in for S3 (moto) as a server. Its `environ` leads boto3 there, and names the bucket for results."""
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
    """The settings that let our handler fetch from a server on loopback."""
    return {"URL_ALLOWED_NETWORKS": "127.0.0.1/32", "URL_ALLOWED_PORTS": server.rpartition(":")[2]}


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    # proc(5): utime and stime are fields 14 and 15; the second, in parentheses, may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
