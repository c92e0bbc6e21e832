"""Cold starts: from the start of the process to the first answer, and what is read from disk by then.

Lambda functions run under AWS's runtime emulator and runtime client: the emulator starts the client when the event
arrives, and so does the clock. A web server's clock starts with its process. The handlers take turns, and ratios are
taken within a round.
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from benchmarks import bare, events, figures, page_cache, plots, processes
from benchmarks.environments import KERAS, OURS, ROOT, TUTORIAL, BenchmarkError, Contender
from benchmarks.photo_server import photo_server
from benchmarks.processes import S3, Running

EVENTS: Final = ("url", "upload", "s3")
TITLES: Final = {"url": "image URL", "upload": "upload", "s3": "S3 event"}
EXAMPLE: Final = ROOT / "examples" / "cat.jpg"

_FAR_APART: Final = 0.1
_LONG: Final = frozenset({KERAS})
"""These take part in every third round only: one of their starts takes as long as twenty of another's."""

Samples = dict[str, list[float | None]]
"""By handler, a value a round."""


@dataclass(frozen=True)
class Bench:
    """The servers that the handlers use, and the photo behind all three kinds of event."""

    photo: bytes
    server: str
    store: S3

    def event(self, kind: str) -> dict[str, Any]:
        """A new event."""
        if kind == "url":
            return {"url": f"{self.server}/photo"}
        if kind == "upload":
            return events.upload(self.photo)
        return events.s3_notification(self.store.put(self.photo))

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead a handler to the servers."""
        return self.store.environ | processes.allowing(self.server)


@dataclass(frozen=True)
class Start:
    """One cold start.

    Attributes:
        answer: the first one.
        ms: from the start to the first answer.
        disk_mb: read from disk by then, in megabytes of 10^6 bytes.
    """

    answer: Any
    ms: float
    disk_mb: float


def run(contenders: list[Contender], rounds: int) -> dict[str, Any]:
    """Measure; milliseconds throughout.

    Returns:
        "titles" of the handlers. "answers": P(dog) of the photo. "warm_cache": by event, by handler, a value a round
        (None: it sat out). "cold_cache" and "disk_mb": by handler, a value a round, for an image URL with the page
        cache dropped. If ours takes part, the results of `benchmarks.bare.run`, too.

    Raises:
        BenchmarkError: a handler fails, or its answer differs from the others'.
    """
    with ExitStack() as stack:
        photo = events.photo(EXAMPLE, events.SMALL)
        server = stack.enter_context(photo_server(photo))
        bench = Bench(photo, server, stack.enter_context(processes.s3()))
        titles = {contender.name: contender.title for contender in contenders}
        results: dict[str, Any] = {"titles": titles, "answers": agreed(contenders, bench)}
        results["warm_cache"] = _with_warm_cache(contenders, bench, rounds)
        results["cold_cache"], results["disk_mb"] = _with_cold_cache(contenders, bench, max(1, rounds // 2))
        for ours in (contender for contender in contenders if contender.name == OURS):
            plain = next((contender for contender in contenders if contender.name == TUTORIAL), ours)
            results |= _bare(ours, plain, bench, rounds)
    return results


def _bare(ours: Contender, plain: Contender, bench: Bench, rounds: int) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(bench.photo)
        file.flush()
        asked = {kind: bench.event(kind) for kind in EVENTS}
        probes = bare.Bench(
            ours, plain, Path(file.name), asked, bench.environ, new_key=lambda: bench.store.put(bench.photo)[0]
        )
        return bare.run(probes, rounds)


def agreed(contenders: list[Contender], bench: Bench) -> dict[str, float]:
    """P(dog) of `bench.photo` by handler.

    Raises:
        BenchmarkError: the answers are too far apart: one handler runs another network, or does not do its work.
    """
    answers = {one.name: events.probability(_started(one, bench, "url").answer) for one in contenders}
    least, most = min(answers.values()), max(answers.values())
    if most - least > _FAR_APART:
        raise BenchmarkError(f"the handlers do not agree, so they cannot be compared: P(dog) is {answers}")
    return answers


def _with_warm_cache(contenders: list[Contender], bench: Bench, rounds: int) -> dict[str, Samples]:
    found: dict[str, Samples] = {kind: {} for kind in EVENTS}
    todo = [(turn, kind, one) for turn in range(rounds) for kind in EVENTS for one in figures.turns(contenders, turn)]
    for turn, kind, contender in tqdm(todo, desc="cold", file=sys.stderr):
        if kind == "s3" and not contender.s3_handler:
            continue
        value = None if _sits_out(contender, turn) else _started(contender, bench, kind).ms
        found[kind].setdefault(contender.name, []).append(value)
    return found


def _with_cold_cache(contenders: list[Contender], bench: Bench, rounds: int) -> tuple[Samples, Samples]:
    """Milliseconds, and megabytes read from disk."""
    times: Samples = {one.name: [] for one in contenders}
    disk: Samples = {one.name: [] for one in contenders}
    todo = [(turn, one) for turn in range(rounds) for one in figures.turns(contenders, turn)]
    for turn, contender in tqdm(todo, desc="cold, page cache dropped", file=sys.stderr):
        if _sits_out(contender, turn):
            times[contender.name].append(None)
            disk[contender.name].append(None)
            continue
        page_cache.drop(_read_by(contender))
        start = _started(contender, bench, "url")
        times[contender.name].append(start.ms)
        disk[contender.name].append(start.disk_mb)
    return times, disk


def _sits_out(contender: Contender, turn: int) -> bool:
    return contender.name in _LONG and turn % 3 != 0


def _read_by(contender: Contender) -> list[Path]:
    """The folders with all files that it reads."""
    standard_library = Path(contender.python.resolve().parents[1], "lib")
    code = [ROOT / "serve"] if contender.folder == ROOT else [contender.folder]
    return [standard_library, contender.site_packages, contender.model.parent, *code]


def _started(contender: Contender, bench: Bench, kind: str) -> Start:
    """Start the handler, and send it one event."""
    event = bench.event(kind)
    if contender.http_app:
        started = time.perf_counter()
        return _first_answer(processes.served(contender, bench.environ), event, started)
    handler = contender.s3_handler if kind == "s3" else contender.handler
    return _first_answer(processes.emulated(contender, handler, bench.environ), event)


def _first_answer(
    process: AbstractContextManager[Running], event: dict[str, Any], started: float | None = None
) -> Start:
    with process as running:
        started = started or time.perf_counter()
        answer = running.answer(event)
        seconds = time.perf_counter() - started
        disk_mb = running.disk_bytes() / 1e6
    events.probability(answer)  # a problem is not an answer
    return Start(answer, seconds * 1e3, disk_mb)


def markdown(results: dict[str, Any]) -> str:
    """Tables of the results of `run`."""
    titles = results["titles"]
    parts = ["### Process start to first answer", _starts(results["warm_cache"], titles)]
    if "disk_mb" in results:
        parts += ["The same with the page cache dropped before each start, and what is read from disk by then:"]
        parts += [_from_disk(results["cold_cache"], results["disk_mb"], titles)]
    return "\n\n".join([*parts, *(bare.markdown(results) if "bare" in results else ())])


def _starts(found: dict[str, Samples], titles: Mapping[str, str]) -> str:
    rows = []
    for name in titles:
        cells = [figures.spread(figures.summary(kind[name])) if name in kind else "-" for kind in found.values()]
        rows.append([titles[name], *cells, _times_ours(found["url"], name)])
    columns = [f"{TITLES[kind]}, ms" for kind in found] + ["image URL, times ours"]
    return figures.table(["", *columns], rows)


def _from_disk(times: Samples, disk: Samples, titles: Mapping[str, str]) -> str:
    rows = []
    for name in times:
        cells = [figures.spread(figures.summary(found[name])) for found in (times, disk)]
        rows.append([titles[name], cells[0], _times_ours(times, name), cells[1], _times_ours(disk, name)])
    return figures.table(["", "image URL, ms", "times ours", "from disk, MB", "times ours"], rows)


def _times_ours(found: Samples, name: str) -> str:
    return figures.spread(figures.ratios(found[name], found[OURS]), 2) if OURS in found else "-"


def plot(results: dict[str, Any], path: Path) -> None:
    """A panel for each kind of event and for the dropped page cache, a bar for each handler; a PNG."""
    titles = results["titles"]
    found = {f"{TITLES[kind]}, ms": samples for kind, samples in results["warm_cache"].items()}
    if results.get("disk_mb"):
        found |= {"image URL, page cache dropped, ms": results["cold_cache"], "read from disk, MB": results["disk_mb"]}
    columns = {
        title: {titles[name]: figures.summary(values) for name, values in samples.items()}
        for title, samples in found.items()
    }
    plots.panels(columns, path)
