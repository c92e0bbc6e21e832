"""The local service's memory while eight clients at once send the greediest photo of a format.

    python -m benchmarks.robustness.at_once

Each kind meets a fresh `uvicorn local.server:app` on loopback, and every client sends it twice. The service is told
that there is a processor for each client, and so decodes as many photos at once as it ever does. The exit status is 1
if one is refused, or takes more than `--megabytes`, the limit of `k8s/deployment.yaml`. Linux only.
"""

import argparse
import concurrent.futures
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Final

from benchmarks import machine, processes
from benchmarks.environments import ROOT
from benchmarks.robustness import bill, costly

LIMIT_MEGABYTES: Final = 2 * 1024**3 / 1e6
CLIENTS: Final = 8
_ROUNDS: Final = 2
_ANSWER_S: Final = 300

KINDS: Final = (
    "JPEG: progressive, 62,000 x 500",
    "JPEG: progressive, CMYK",
    "PNG: 16-bit gray, key color",
    "PNG: RGBA, Paeth",
    "GIF: 50 MP",
    "BMP: run lengths of 255",
    "WebP: lossless, 18 MP",
    "AVIF: 22 MP, film grain",
    "HEIC: grid of 21 MP",
)
"""Made files that take most memory for their format, and fit into a request."""


_AS_IF: Final = "import os, runpy; os.cpu_count = lambda: {}; runpy.run_module('uvicorn', run_name='__main__')"


@contextlib.contextmanager
def service(environ: Mapping[str, str] | None = None, processors: int | None = None) -> Iterator[tuple[int, int]]:
    """A running service, as if there were so many processors; gives its process id and its port."""
    port = processes.free_port()
    uvicorn = ["-c", _AS_IF.format(processors)] if processors else ["-m", "uvicorn"]
    command = [sys.executable, *uvicorn, "local.server:app", "--port", str(port), "--log-level", "warning"]
    with processes.process(command, ROOT, {**os.environ, **(environ or {}), "LOG_LEVEL": "ERROR"}) as started:
        processes.wait_for(port, started)
        yield started.pid, port


def answered(port: int, body: bytes, content_type: str = "image/jpeg") -> int:
    """The HTTP status for a photo."""
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)) as client:
        client.request("POST", "/predict", body, {"content-type": content_type})
        return client.getresponse().status


def measure(photo: bytes, clients: int = CLIENTS) -> tuple[float, set[int]]:
    """The service's peak in megabytes for a photo from so many clients, and the statuses of the answers."""
    with service(processors=clients) as (pid, port), concurrent.futures.ThreadPoolExecutor(clients) as pool:
        count = clients * _ROUNDS
        statuses = {*pool.map(answered, [port] * count, [photo] * count)}
        return bill.peak_megabytes(pid), statuses


def main(argv: list[str] | None = None) -> int:
    """Measure, and print a line for each kind."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.at_once",
        description="Measure the service's memory with the greediest photos.",
    )
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    parser.add_argument("--megabytes", type=float, default=LIMIT_MEGABYTES, help="that the service may take")
    arguments = parser.parse_args(argv)
    worst, answers = 0.0, {200}
    for kind in KINDS:
        if arguments.only in kind:
            megabytes, statuses = measure(bill.made(costly.files()[kind]))
            worst, answers = max(worst, megabytes), answers | statuses
            print(f"{kind:40} {megabytes:6,.0f} MB {sorted(statuses)}", flush=True)
    print(f"{machine.title(machine.describe())}: {CLIENTS} at once take {worst:,.0f} of {arguments.megabytes:,.0f} MB")
    return int(worst > arguments.megabytes or answers != {200})


if __name__ == "__main__":
    sys.exit(main())
