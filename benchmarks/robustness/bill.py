"""What the costliest photos cost: processor time, memory and log of one photo, each in a process of its own.

    python -m benchmarks.robustness.bill                        made files: the worst of each format
    python -m benchmarks.robustness.bill --search 3600          and an hour of mutations that go where the cost is
    python -m benchmarks.robustness.bill --inputs 100000        and so many mutations, whatever time they take

The bill is `MAX_SECONDS` of processor, `MAX_MEGABYTES` of the whole process, model included, and `MAX_LOG_BYTES`. The
exit status is 1 if a photo is beyond it; the worst finds of a search are saved in `--save`. Linux only.

A search says on stderr each minute how far it is. Ctrl-C or SIGTERM ends it with a report and exit status 1.

What takes too long is measured up to three times, and the least counts: whatever else the machine and its host do only
adds to it. A busy machine takes half as long again for the same work: quiet it, or say what is allowed (`--seconds 2`).
"""

import argparse
import contextlib
import gc
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from benchmarks import machine
from benchmarks.robustness import costly
from benchmarks.robustness.progress import Progress
from benchmarks.worker import peak_bytes
from serve.errors import ProblemError
from serve.model.classifier import Classifier
from train import interrupts

MAX_SECONDS: Final = 1.0
MAX_MEGABYTES: Final = 400.0
MAX_LOG_BYTES: Final = 16_000
BARE_MEGABYTES: Final = 60.0
"""Of a process with Pillow and the model."""
_MEASUREMENTS: Final = 3  # of what takes too long
STOP_S: Final = 60
"""A photo that takes longer is ended."""


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


Taken = TypeVar("Taken", bound=tuple[Any, ...])


def measure(classifier: Classifier, data: bytes) -> Bill:
    """Classify a photo in a process of its own, which has the model already.

    Its memory counts from there: this process may hold other files, and whatever else it has imported.
    """
    with tempfile.TemporaryFile() as log, tempfile.TemporaryFile() as start:
        child = forked()
        if child == 0:
            os.write(start.fileno(), str(resident_megabytes()).encode())
            _classify(classifier, data, log.fileno())
        _, result, usage = os.wait4(child, 0)
        written = log.seek(0, os.SEEK_END)
        start.seek(0)
        grown = usage.ru_maxrss * 1024 / 1e6 - float(start.read())
    status = 100 * os.waitstatus_to_exitcode(result) if os.WIFEXITED(result) else 0
    megabytes = BARE_MEGABYTES + len(data) / 1e6 + grown
    return Bill(usage.ru_utime + usage.ru_stime, megabytes, written, status)


def confirmed(classifier: Classifier, data: bytes, bill: Bill, seconds: float) -> Bill:
    """A photo's bill, measured again if it took more than `seconds`: of memory and log, the most counts."""
    taken, megabytes, log_bytes, statuses = zip(
        *until_short(bill, lambda: measure(classifier, data), seconds), strict=True
    )
    return Bill(min(taken), max(megabytes), max(log_bytes), min(statuses))


def until_short(first: Taken, measure: Callable[[], Taken], seconds: float) -> list[Taken]:
    """A measurement, which begins with seconds of processor, and more of them while it takes longer than it may.

    The least of their seconds counts: whatever else the machine and its host do only adds to them.
    """
    found = [first]
    while found[-1][0] > seconds and len(found) < _MEASUREMENTS:
        found.append(measure())
    return found


def forked() -> int:
    """As `os.fork`. The child collects no garbage of this process, whose end may need threads that it has not."""
    child = os.fork()
    if child == 0:
        gc.freeze()
    return child


def resident_megabytes() -> float:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_megabytes(process: int | str = "self") -> float:
    """The most that a process has had in memory."""
    return peak_bytes(str(process)) / 1e6


def made(make: costly.Make) -> bytes:
    """A file, made in a process of its own: memory that this one has had counts for all that come after."""
    with tempfile.TemporaryFile() as file:
        child = forked()
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


def status_of(classifier: Classifier, data: bytes) -> int:
    """The HTTP status for a photo."""
    try:
        classifier.classify(data)
    except ProblemError as problem:
        return problem.status
    return 200


def _classify(classifier: Classifier, data: bytes, log: int) -> None:
    """In the child: the exit status is the hundreds of the HTTP status."""
    status = 5
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (STOP_S, STOP_S))
        status = status_of(classifier, data) // 100
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Report:
    """The worst of each format, and what is beyond the bill.

    Args:
        folder: for the files that are reported; None: they are not kept.
        seconds: of processor that a photo may take.
    """

    def __init__(self, folder: Path | None, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._worst: dict[str, tuple[Bill, str, bytes]] = {}
        self.count = self.beyond = 0

    def note(self, name: str, bill: Bill, data: bytes) -> None:
        """Take a measured file in; `name` begins with its format and a colon."""
        self.count += 1
        for measured in ("seconds", "megabytes"):
            key = f"{name.partition(':')[0]}, {measured}"
            if key not in self._worst or getattr(bill, measured) > getattr(self._worst[key][0], measured):
                self._worst[key] = bill, name, data
        if bill.is_beyond(self._seconds):
            self.beyond += 1
            print(f"BEYOND: {_line(name, bill, data)}", flush=True)
            self._save(f"beyond-{self.beyond}", data)

    def so_far(self) -> str:
        """How many files there were, how many are beyond the bill, and what the worst of them took."""
        bills = [bill for bill, _, _ in self._worst.values()]
        seconds, megabytes = max(bill.seconds for bill in bills), max(bill.megabytes for bill in bills)
        return f"{self.count:,} files, {self.beyond} beyond the bill; at most {seconds:.2f} s and {megabytes:.0f} MB"

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


def _measure_made(
    classifier: Classifier, report: Report, only: str, seconds: float, asked: threading.Event
) -> dict[str, list[bytes]]:
    """Measure the made files until one is `asked` to stop; those that are classified, by format."""
    found: dict[str, list[bytes]] = {}
    for name, make in costly.files().items():
        if only in name and not asked.is_set():
            data = made(make)
            bill = confirmed(classifier, data, measure(classifier, data), seconds)
            print(_line(name, bill, data), flush=True)
            report.note(name, bill, data)
            if bill.status == 200:
                found.setdefault(name.partition(":")[0], []).append(data)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure, and print the worst of each format."""
    arguments = _parser().parse_args(argv)
    classifier, report = Classifier(Path("models/cats_dogs.tflite")), Report(arguments.save, arguments.seconds)
    with contextlib.suppress(KeyboardInterrupt), interrupts.deferred() as asked:  # what was found is reported
        found = _measure_made(classifier, report, arguments.only, arguments.seconds, asked)
        if arguments.search or arguments.inputs:
            from benchmarks.robustness.search import Search, searched

            search, progress = Search(classifier, arguments.seed, found), Progress()
            for kind, bill, data in searched(search, arguments.search, arguments.inputs, asked):
                report.note(f"{kind}: searched", confirmed(classifier, data, bill, arguments.seconds), data)
                progress.tick(report.so_far())
    print(f"\n{machine.title(machine.describe())}; {report.count:,} files; the worst of each format:")
    report.print_worst()
    return int(report.beyond > 0 or asked.is_set())


if __name__ == "__main__":
    sys.exit(main())
