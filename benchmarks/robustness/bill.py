"""What the costliest photos cost: processor time, memory and log of one photo, each in a process of its own.

    python -m benchmarks.robustness.bill                        made files: the worst of each format
    python -m benchmarks.robustness.bill --search 3600          and an hour of mutations that go where the cost is
    python -m benchmarks.robustness.bill --inputs 100000        and so many mutations, whatever time they take

The bill is `MAX_SECONDS` of processor, `MAX_MEGABYTES` of the whole process, model included, and `MAX_LOG_BYTES`. The
exit status is 1 if a photo is beyond it; the worst finds of a search are saved in `--save`. Linux only.

A busy machine takes half as long again for the same work: quiet it, or say what is allowed there (`--seconds 2`).
"""

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks import machine
from benchmarks.robustness import corpus, costly
from serve.errors import ProblemError
from serve.model.classifier import Classifier

MAX_SECONDS: Final = 1.0
MAX_MEGABYTES: Final = 400.0
MAX_LOG_BYTES: Final = 16_000
_BARE_MEGABYTES: Final = 60.0  # a process with Pillow and the model
_STOP_S: Final = 60  # a file that takes longer is ended
_KEPT: Final = 12  # files a format that a search goes on from, for each of time and memory
_COSTLY_SHARE: Final = 0.02  # of a search: mutations of the made files, which take a hundred times as long
_LONG_VALUES: Final = (0, 1, 255, 256, 4095, 16_383, 65_535, 65_536, 1 << 24, (1 << 31) - 1, (1 << 32) - 1)


class Bill(NamedTuple):
    """What one photo took.

    Attributes:
        seconds: of processor.
        megabytes: a process with Pillow, the model and the photo, at its largest.
        log_bytes: what it wrote to stdout and stderr.
        status: the HTTP status; 0 where the process was ended.
    """

    seconds: float
    megabytes: float
    log_bytes: int
    status: int

    def is_beyond(self, seconds: float = MAX_SECONDS) -> bool:
        """Whether it is more than may be; `seconds`: of processor that are allowed."""
        too_much = self.seconds > seconds or self.megabytes > MAX_MEGABYTES or self.log_bytes > MAX_LOG_BYTES
        return too_much or self.status == 0


def measure(classifier: Classifier, data: bytes) -> Bill:
    """Classify a photo in a process of its own, which has the model already.

    Its memory counts from there: this process may hold other files, and whatever else it has imported.
    """
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as start:
        child = os.fork()
        if child == 0:
            os.write(start.fileno(), str(_resident_megabytes()).encode())
            _classify(classifier, data, log.fileno())
        _, result, usage = os.wait4(child, 0)
        written = log.seek(0, os.SEEK_END)
        start.seek(0)
        grown = usage.ru_maxrss * 1024 / 1e6 - float(start.read())
    status = 100 * os.waitstatus_to_exitcode(result) if os.WIFEXITED(result) else 0
    megabytes = _BARE_MEGABYTES + len(data) / 1e6 + grown
    return Bill(usage.ru_utime + usage.ru_stime, megabytes, written, status)


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def made(make: costly.Make) -> bytes:
    """A file, made in a process of its own: memory that this one has had counts for all that come after."""
    with tempfile.TemporaryFile() as file:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                file.write(make())
                file.flush()
                status = 0
            finally:
                os._exit(status)
        _, result = os.waitpid(child, 0)
        if result:
            raise RuntimeError("a file could not be made")
        file.seek(0)
        return file.read()


def _classify(classifier: Classifier, data: bytes, log: int) -> None:
    """In the child: the exit status is the hundreds of the HTTP status."""
    status = 5
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (_STOP_S, _STOP_S))
        try:
            classifier.classify(data)
            status = 2
        except ProblemError as problem:
            status = problem.status // 100
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Search:
    """Mutations of small files that have cost most so far, format by format, and now and then of a costly one.

    Args:
        classifier: for them all.
        seed: the same seed gives the same mutations, as far as times are the same.
        costly_files: the costly ones, by format.
    """

    def __init__(self, classifier: Classifier, seed: int, costly_files: Mapping[str, Sequence[bytes]]) -> None:
        self._classifier, self._chance = classifier, random.Random(seed)  # noqa: S311  (to be repeatable)
        self._costly = costly_files
        self._kept = {kind: [(0.0, 0.0, data) for data in found] for kind, found in costly.small().items()}
        self.count = 0

    def step(self) -> tuple[str, Bill, bytes]:
        """Measure one mutation of a format."""
        kind = self._chance.choice(list(self._kept))
        kept = self._kept[kind]
        self.count += 1
        if self._chance.random() < _COSTLY_SHARE and (found := self._costly.get(kind)):
            data = self._mutated(self._chance.choice(found), self._chance.choice(kept)[2])
            return kind, measure(self._classifier, data), data
        data = self._mutated(self._chance.choice(kept)[2], self._chance.choice(kept)[2])
        bill = measure(self._classifier, data)
        kept.append((bill.seconds, bill.megabytes, data))
        best = sorted(kept, key=lambda one: -one[0])[:_KEPT] + sorted(kept, key=lambda one: -one[1])[:_KEPT]
        self._kept[kind] = list({one[2]: one for one in best}.values())
        return kind, bill, data

    def _mutated(self, data: bytes, other: bytes) -> bytes:
        chance = self._chance.random()
        if chance < 0.3:  # a size, a count, an offset
            return (
                corpus.with_png_checksums(self._with_value(data)) if data[:4] == b"\x89PNG" else self._with_value(data)
            )
        if chance < 0.4:  # much of the same
            start = self._chance.randrange(len(data))
            piece = data[start : start + self._chance.choice((2, 8, 40, 400))]
            times = min(self._chance.choice((10, 1000, 100_000)), costly.MAX_BYTES // max(1, len(piece)) // 4)
            return (data[:start] + piece * times + data[start:])[: costly.MAX_BYTES]
        return corpus.mutated(data, other, self._chance)[: costly.MAX_BYTES]

    def _with_value(self, data: bytes) -> bytes:
        length = self._chance.choice((1, 2, 3, 4))
        number: int = self._chance.choice(_LONG_VALUES) & ((1 << 8 * length) - 1)
        value = number.to_bytes(length, self._chance.choice(("big", "little")))
        start = self._chance.randrange(min(len(data), self._chance.choice((64, 512, 1 << 30))))
        return data[:start] + value + data[start + length :]


def searched(search: Search, seconds: float, inputs: int) -> Iterator[tuple[str, Bill, bytes]]:
    """Steps for so long, and for so many."""
    until = time.monotonic() + seconds
    while time.monotonic() < until or search.count < inputs:
        yield search.step()


class Report:
    """The worst of each format, and what is beyond the bill.

    Args:
        folder: for the files that are reported; None: they are not kept.
        seconds: of processor that a photo may take.
    """

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._worst: dict[str, tuple[Bill, str, bytes]] = {}
        self.beyond = 0

    def note(self, name: str, bill: Bill, data: bytes) -> None:
        """Take a measured file in; `name` begins with its format and a colon."""
        for measured in ("seconds", "megabytes"):
            key = f"{name.partition(':')[0]}, {measured}"
            if key not in self._worst or getattr(bill, measured) > getattr(self._worst[key][0], measured):
                self._worst[key] = bill, name, data
        if bill.is_beyond(self._seconds):
            self.beyond += 1
            print(f"BEYOND: {_line(name, bill, data)}", flush=True)
            self._save(f"beyond-{self.beyond}", data)

    def print_worst(self) -> None:
        """Print the costliest file of each format, by time and by memory."""
        for key, (bill, name, data) in sorted(self._worst.items()):
            print(f"{key:18} {_line(name, bill, data)}")
            self._save(f"worst-{key.replace(', ', '-')}", data)
        print(
            f"{self.beyond} beyond the bill of {self._seconds} s, {MAX_MEGABYTES:.0f} MB, {MAX_LOG_BYTES} bytes of log"
        )

    def _save(self, name: str, data: bytes) -> None:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_bytes(data)


def _line(name: str, bill: Bill, data: bytes) -> str:
    return (
        f"{name:40} {len(data):>10,} bytes {bill.seconds:6.2f} s {bill.megabytes:5.0f} MB {bill.log_bytes:6} log "
        f"{bill.status or 'ended'}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.bill",
        description="Measure what the costliest photos cost, each in a process of its own.",
    )
    parser.add_argument("--search", type=float, default=0, metavar="SECONDS", help="mutate files for so long")
    parser.add_argument("--inputs", type=int, default=0, help="mutate at least so many files")
    parser.add_argument(
        "--seconds", type=float, default=MAX_SECONDS, help="of processor for a photo; a slow machine may take 2"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="made files whose name contains this")
    parser.add_argument("--save", type=Path, help="a folder for the worst files")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Measure, and print the worst of each format."""
    arguments = _parser().parse_args(argv)
    classifier, report = Classifier(Path("models/cats_dogs.tflite")), Report(arguments.save, arguments.seconds)
    found: dict[str, list[bytes]] = {}
    for name, make in costly.files().items():
        if arguments.only in name:
            data = made(make)
            bill = measure(classifier, data)
            print(_line(name, bill, data), flush=True)
            report.note(name, bill, data)
            if bill.status == 200:
                found.setdefault(name.partition(":")[0], []).append(data)
    search = Search(classifier, arguments.seed, found)
    for kind, bill, data in searched(search, arguments.search, arguments.inputs):
        report.note(f"{kind}: searched", bill, data)
    print(f"\n{machine.title(machine.describe())}; {search.count:,} files searched; the worst of each format:")
    report.print_worst()
    return int(report.beyond > 0)


if __name__ == "__main__":
    sys.exit(main())
