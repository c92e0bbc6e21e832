"""python -m benchmarks.service: the local service beside the same file behind FastAPI, in one run.

Both run under uvicorn, one worker each, and answer the same form with a photo, again and again, on connections that
stay open. They take turns within every round.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import environments, events, figures, machine, processes
from benchmarks.cold import EXAMPLE
from benchmarks.environments import CONTENDERS_DIR, LOCKS_DIR, ROOT, BenchmarkError, say
from benchmarks.worker import peak_bytes

MODEL: Final = ROOT / "models" / "cats_dogs.tflite"
_WARM_UP: Final = 100
# As `make serve` starts it.
_OURS: Final = ("local.server:app", "--limit-concurrency", "256", "--no-access-log")
_COLUMNS: Final = ("", "requests a second", "p50, ms", "p95, ms", "processor, ms a request", "peak memory, MB")


@dataclass
class Service:
    """A service that answers on a port, and what was measured of it: one value a round for each column of the table."""

    title: str
    pid: int
    port: int
    measured: list[tuple[float, ...]] = field(default_factory=list)

    def column(self, number: int) -> list[float]:
        """One value a round."""
        return [values[number] for values in self.measured]


@contextmanager
def services() -> Iterator[list[Service]]:
    """Ours and FastAPI's, started.

    Raises:
        BenchmarkError: an environment cannot be made, or one does not start.
    """
    ours = environments.environment(ROOT, "benchmark-service", [ROOT / "requirements" / "local.txt"])
    plain = environments.environment(ROOT, "benchmark-fastapi", [LOCKS_DIR / "fastapi.txt"])
    with ExitStack() as started:
        yield [
            started.enter_context(_serving("ours", ours, ROOT, _OURS)),
            started.enter_context(_serving("FastAPI", plain, CONTENDERS_DIR / "fastapi", ("app:app",))),
        ]


@contextmanager
def _serving(title: str, python: Path, folder: Path, arguments: tuple[str, ...]) -> Iterator[Service]:
    port = processes.free_port()
    command = [str(python), "-m", "uvicorn", *arguments, "--port", str(port)]
    with processes.process(command, folder, {**os.environ, "MODEL_PATH": str(MODEL)}) as started:
        processes.wait_for(port, started)
        yield Service(title, started.pid, port)


def request(photo: bytes) -> bytes:
    """An HTTP request with the photo in a form."""
    body = events.form(photo)
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {events.FORM}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def load(port: int, sent: bytes, clients: int, count: int) -> list[float]:
    """Send a request `count` times, `clients` at a time; returns the seconds that each took.

    Raises:
        BenchmarkError: an answer is not 200.
    """
    left = iter(range(count))
    each = await asyncio.gather(*(_client(port, sent, left) for _ in range(clients)))
    return [seconds for client in each for seconds in client]


async def _client(port: int, sent: bytes, left: Iterator[int]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    with closing(writer):
        for _ in left:  # shared with the other clients
            started = time.perf_counter()
            writer.write(sent)
            await _answer(reader)
            taken.append(time.perf_counter() - started)
    return taken


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    body = await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise BenchmarkError(f"answered {head!r} {body[:500]!r}")


def measure(service: Service, sent: bytes, clients: int, count: int) -> None:
    """One round of one service."""
    processor, started = processes.processor_seconds(service.pid), time.perf_counter()
    taken = asyncio.run(load(service.port, sent, clients, count))
    seconds = time.perf_counter() - started
    processor = processes.processor_seconds(service.pid) - processor
    p50, p95 = (figures.percentile(taken, percent) * 1e3 for percent in (50, 95))
    service.measured.append((count / seconds, p50, p95, processor / count * 1e3, peak_bytes(str(service.pid)) / 1e6))


def markdown(compared: list[Service]) -> str:
    """A table of medians, and the ratio to the first within each round."""
    first = compared[0]
    numbers = range(len(_COLUMNS) - 1)
    rows = [
        [each.title, *(figures.spread(figures.summary(each.column(number)), 1 if number else 0) for number in numbers)]
        for each in compared
    ]
    for other in compared[1:]:
        ratios = (figures.ratios(first.column(number), other.column(number)) for number in numbers)
        rows.append([f"{first.title} / {other.title}", *(figures.spread(ratio, 2) for ratio in ratios)])
    return figures.table(_COLUMNS, rows)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.service", description=(__doc__ or "").partition("\n\n")[0])
    p.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: %(default)s)")
    p.add_argument("--requests", type=int, default=2000, help="of a round (default: %(default)s)")
    p.add_argument("--clients", type=int, default=20, help="requests at a time (default: %(default)s)")
    p.add_argument("--busy", action="store_true", help="measure although other programs use the processor")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    asked = parser().parse_args(argv)
    sent = request(events.photo(EXAMPLE, events.SMALL))
    try:
        if not asked.busy:
            machine.wait_until_quiet()
        with services() as compared:
            for service in compared:
                asyncio.run(load(service.port, sent, asked.clients, _WARM_UP))
            for number in range(asked.rounds):
                say(f"round {number + 1} of {asked.rounds}")
                for service in figures.turns(compared, number):
                    measure(service, sent, asked.clients, asked.requests)
            _write(compared, asked)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _write(compared: list[Service], asked: Any) -> None:
    place = machine.title(machine.describe())
    print(f"{asked.rounds} rounds of {asked.requests} requests, {asked.clients} at a time, on {place}:\n")
    print(markdown(compared))


if __name__ == "__main__":
    sys.exit(main())
