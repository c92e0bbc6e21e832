"""A search for costly photos: mutations of files, which go on from those that have cost most."""

import itertools
import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.robustness import corpus, costly
from benchmarks.robustness.bill import (
    BARE_MEGABYTES,
    STOP_S,
    Bill,
    forked,
    measure,
    peak_megabytes,
    resident_megabytes,
    status_of,
)
from serve.model.classifier import Classifier

_TOGETHER: Final = 25  # files in one process
_KEPT: Final = 12  # files a format that a search goes on from, for each of time and memory
_COSTLY_SHARE: Final = 0.005  # mutations of the made files, which take a hundred times as long
_LONG_VALUES: Final = (0, 1, 255, 256, 4095, 16_383, 65_535, 65_536, 1 << 24, (1 << 31) - 1, (1 << 32) - 1)


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
        small = costly.small()
        self._kept = {kind: [(0.0, 0.0, data) for data in found] for kind, found in small.items()}
        for data in itertools.chain(*small.values()):  # loads the decoders once, and not in every process
            classifier.classify(data)
        self.count = 0

    def step(self) -> list[tuple[str, Bill, bytes]]:
        """Measure some mutations: their formats, bills and bytes."""
        drawn = [self._drawn() for _ in range(_TOGETHER)]
        bills = measure_all(self._classifier, [data for _, data, _ in drawn])
        for (kind, data, is_kept), bill in zip(drawn, bills, strict=True):
            if is_kept and data:  # nothing can be changed in an empty file
                self._keep(kind, bill, data)
        self.count += len(drawn)
        return [(kind, bill, data) for (kind, data, _), bill in zip(drawn, bills, strict=True)]

    def _drawn(self) -> tuple[str, bytes, bool]:
        """A format, a mutation, and whether the search may go on from it."""
        kind = self._chance.choice(list(self._kept))
        kept = self._kept[kind]
        if self._chance.random() < _COSTLY_SHARE and (found := self._costly.get(kind)):
            return kind, self._mutated(self._chance.choice(found), self._chance.choice(kept)[2]), False
        return kind, self._mutated(self._chance.choice(kept)[2], self._chance.choice(kept)[2]), True

    def _keep(self, kind: str, bill: Bill, data: bytes) -> None:
        kept = [*self._kept[kind], (bill.seconds, bill.megabytes, data)]
        best = sorted(kept, key=lambda one: -one[0])[:_KEPT] + sorted(kept, key=lambda one: -one[1])[:_KEPT]
        self._kept[kind] = list({one[2]: one for one in best}.values())

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


def searched(search: Search, seconds: float, inputs: int, asked: threading.Event) -> Iterator[tuple[str, Bill, bytes]]:
    """Steps for so long, and for so many files, until one is `asked` to stop."""
    until = time.monotonic() + seconds
    while not asked.is_set() and (time.monotonic() < until or search.count < inputs):
        yield from search.step()


def measure_all(classifier: Classifier, files: list[bytes]) -> list[Bill]:
    """As `bill.measure`, in one process for all; what ends that process is measured alone.

    Memory is what the process has more than at its start, so it counts a little too much for all but the first.
    """
    bills: list[Bill] = []
    while len(bills) < len(files):
        with tempfile.TemporaryFile() as results, tempfile.TemporaryFile() as log:
            child = forked()
            if child == 0:
                _run_all(classifier, files[len(bills) :], results.fileno(), log.fileno())
            os.waitpid(child, 0)
            results.seek(0)
            bills += [Bill(*json.loads(line)) for line in results]
        if len(bills) < len(files):
            bills.append(measure(classifier, files[len(bills)]))
    return bills


def _run_all(classifier: Classifier, files: list[bytes], results: int, log: int) -> None:
    """In the child: a line for each file."""
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        start, written = resident_megabytes(), 0
        for data in files:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak, from here on (proc(5))
            before = time.process_time()
            resource.setrlimit(resource.RLIMIT_CPU, (int(before) + STOP_S, -1))
            status = status_of(classifier, data)
            seconds = time.process_time() - before
            megabytes = BARE_MEGABYTES + len(data) / 1e6 + peak_megabytes() - start
            sys.stdout.flush()
            sys.stderr.flush()
            written, before_log = os.lseek(log, 0, os.SEEK_END), written
            os.write(results, (json.dumps([seconds, megabytes, written - before_log, status]) + "\n").encode())
    finally:
        os._exit(0)
