"""What the costliest photos cost over every route: Lambda's events, a URL, S3, the command line, the local service.

    python -m benchmarks.robustness.routes
    python -m benchmarks.robustness.routes --only "WebP: 18 MP of noise"

Each photo meets a fresh process on each route. Memory is that of the process at its largest, whatever brought the photo
there included; seconds are of processor from the event or request to the answer, the least of three measurements where
the first is too long (see `benchmarks.robustness.bill`). The exit status is 1 if one is beyond the bill. Linux only.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import events, machine, processes
from benchmarks.environments import ROOT
from benchmarks.photo_server import photo_server
from benchmarks.robustness import at_once, bill, costly

KINDS: Final = (
    "JPEG: progressive, 62,000 x 500, 4.6 MB",
    "JPEG: progressive, CMYK",
    "JPEG: progressive, 50 MP of noise, 4:4:4",
    "JPEG: 12 scans more",
    "PNG: RGB, Paeth",
    "WebP: 18 MP of noise",
    "HEIC: grid of 16 MP of noise",
)
"""Made files that are accepted, and take most memory or time."""

MAX_PAYLOAD_BYTES: Final = 6 * 1024 * 1024
"""Of an event that brings its photo: AWS Lambda Developer Guide, "Lambda quotas"."""

_JSON: Final = "application/json"

Measured = tuple[float, float, bool]
"""Seconds of processor, megabytes of process, and whether the photo was classified."""


def _in_json(photo: bytes) -> bytes:
    return json.dumps({"image": base64.b64encode(photo).decode()}).encode()


def handled(event: dict[str, Any], environ: Mapping[str, str]) -> Measured:
    """An event in a fresh process of the Lambda handler."""
    with processes.worker(Path(sys.executable), ROOT, "lambda_function.handler", {**os.environ, **environ}) as worker:
        found = worker.call(event)
    return found["cpu_seconds"], found["peak_bytes"] / 1e6, '"label' in json.dumps(found["answer"])


def event_with_url(photo: bytes) -> Measured:
    """A direct call with a URL."""
    with photo_server(photo) as server:
        return handled({"url": f"{server}/photo"}, processes.allowing(server))


def event_of_s3(photo: bytes) -> Measured:
    """S3's notification; the result goes to another bucket."""
    with processes.s3() as s3:
        return handled(events.s3_notification(s3.put(photo)), s3.environ)


def command_line(photo: bytes) -> Measured:
    """`classify FILE`, its start included."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, tempfile.TemporaryFile() as log:
        file.write(photo)
        file.flush()
        command = [sys.executable, "-m", "local", "--json", file.name]
        started = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        _, result, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(result)  # else Popen would wait for it once more
        log.seek(0)
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, b'"label"' in log.read()


def served(body: bytes, content_type: str, environ: Mapping[str, str]) -> Measured:
    """A request to a fresh local service."""
    with at_once.service(environ) as (pid, port):
        before = processes.processor_seconds(pid)
        status = at_once.answered(port, body, content_type)
        return processes.processor_seconds(pid) - before, bill.peak_megabytes(pid), status == 200


def served_url(photo: bytes) -> Measured:
    """A request with a URL to a fresh local service."""
    with photo_server(photo) as server:
        body = json.dumps({"url": f"{server}/photo"}).encode()
        return served(body, _JSON, processes.allowing(server))


UPLOADS: Final[Mapping[str, Callable[[bytes], Measured]]] = {
    "event, direct": lambda photo: handled(json.loads(_in_json(photo)), {}),
    "event, bytes": lambda photo: handled(events.upload(photo), {}),
    "event, form": lambda photo: handled(events.upload(events.form(photo), events.FORM), {}),
    "event, JSON": lambda photo: handled(
        {**events.http_api("POST", "/predict"), "body": _in_json(photo).decode(), "isBase64Encoded": False}, {}
    ),
    "service, bytes": lambda photo: served(photo, "image/jpeg", {}),
    "service, form": lambda photo: served(events.form(photo), events.FORM, {}),
    "service, JSON": lambda photo: served(_in_json(photo), _JSON, {}),
}
"""Routes whose requests bring the photo, which must fit into a payload."""

ROUTES: Final[Mapping[str, Callable[[bytes], Measured]]] = {
    **UPLOADS,
    "event, URL": event_with_url,
    "event, S3": event_of_s3,
    "service, URL": served_url,
    "command line": command_line,
}


def measure(route: str, photo: bytes, seconds: float = bill.MAX_SECONDS) -> Measured | None:
    """The photo over a route; None if it does not fit into a payload. `seconds`: of processor that are allowed."""
    if route in UPLOADS and len(photo) * 4 / 3 > MAX_PAYLOAD_BYTES - 64 * 1024:  # headers, as the local service counts
        return None
    found = bill.until_short(ROUTES[route](photo), lambda: ROUTES[route](photo), seconds)
    taken, megabytes, answered = zip(*found, strict=True)
    return min(taken), max(megabytes), all(answered)


def main(argv: list[str] | None = None) -> int:
    """Measure, and print a line for each photo and route."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.routes", description="Measure the costliest photos over every route."
    )
    parser.add_argument("--only", default="", help="made files whose name contains this")
    parser.add_argument("--route", default="", help="routes whose name contains this")
    parser.add_argument("--seconds", type=float, default=bill.MAX_SECONDS, help="of processor that are allowed")
    arguments = parser.parse_args(argv)
    beyond = 0
    for kind in (kind for kind in KINDS if arguments.only in kind):
        photo = bill.made(costly.files()[kind])
        for route in (route for route in ROUTES if arguments.route in route):
            measured = measure(route, photo, arguments.seconds)
            if measured is None:
                continue
            seconds, megabytes, is_answered = measured
            is_beyond = seconds > arguments.seconds or megabytes > bill.MAX_MEGABYTES or not is_answered
            beyond += is_beyond
            told = "" if is_answered else "  not classified"
            print(f"{kind:42} {route:15} {seconds:5.2f} s {megabytes:5.0f} MB{told}", flush=True)
    print(f"{machine.title(machine.describe())}: {beyond} beyond {arguments.seconds} s or {bill.MAX_MEGABYTES:.0f} MB")
    return int(beyond > 0)


if __name__ == "__main__":
    sys.exit(main())
