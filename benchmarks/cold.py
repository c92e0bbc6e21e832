"""Cold starts: from the start of the process to the first answer.

Lambda functions run under AWS's runtime emulator and runtime client: the clock starts when the event is sent, which is
when the emulator starts the client's process. A web server's clock starts with its process. Contenders take turns, and
ratios are taken within a round.
"""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from benchmarks import events, figures, processes
from benchmarks.environments import KERAS, OURS, ROOT, BenchmarkError, Contender
from benchmarks.processes import S3
from benchmarks.robustness.soak import photo_server

EVENTS: Final = ("url", "upload", "s3")
TITLES: Final = {"url": "image URL", "upload": "upload", "s3": "S3 event"}
DROP_CACHES: Final = Path("/proc/sys/vm/drop_caches")
PROBES: Final = ROOT / "benchmarks" / "probes"
EXAMPLE: Final = ROOT / "examples" / "cat.jpg"

LEAN: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""What our entry point sets before it imports NumPy: the floor gets it, too, or ours would start faster than it."""

_FAR_APART: Final = 0.1
_LONG: Final = frozenset({KERAS})
"""These take part in every third round only: one of their starts takes as long as twenty of another's."""

ON_DEMAND: Final = "on demand"
_WHY: Final = {
    "python": "Python itself",
    ON_DEMAND: "the standard library's, when the event needs it",
    "OpenSSL": "looked for, and not there",
    "numpy": "the interpreter takes and gives its arrays",
    "PIL": "decodes and resizes",
    "ai_edge_litert": "runs the network",
    "tflite_runtime": "runs the network",
    "serve": "ours",
    "lambda_function": "ours: the entry point",
    "urllib3": "opens the URL; S3's client brings it too",
    "botocore": "S3's client",
    "boto3": "S3's client",
    "jmespath": "S3's client needs it",
    "dateutil": "S3's client needs it",
    "six": "S3's client needs it",
}


@dataclasses.dataclass(frozen=True)
class Bench:
    """The servers that answer the contenders, and the photo behind all three kinds of event."""

    photo: bytes
    server: str
    store: S3

    def event(self, kind: str) -> dict[str, Any]:
        """An event that has not been there before."""
        if kind == "url":
            return {"url": f"{self.server}/photo"}
        if kind == "upload":
            return events.upload(self.photo)
        return events.s3_notification(self.store.put(self.photo))

    @property
    def environ(self) -> dict[str, str]:
        """What leads a contender to the servers."""
        return self.store.environ | processes.allowing(self.server)


def run(contenders: list[Contender], rounds: int) -> dict[str, Any]:
    """Measure; milliseconds throughout.

    Returns:
        "titles" of the contenders. "answers": P(dog) of the photo.
        "warm_cache" and "cold_cache": by event, by contender, a value a round (None: it sat out). "cold_cache_note":
        why the latter is empty, if it is.
        "bare": the floor and ours in bare processes. "s3_cost": of S3's client, the plain way and ours. "phases": of
        ours, by part. "imports": by event, what ours imports.

    Raises:
        BenchmarkError: a contender fails, or answers otherwise than ours.
    """
    with ExitStack() as stack:
        photo = events.photo(EXAMPLE, events.SMALL)
        server = stack.enter_context(photo_server(photo))
        bench = Bench(photo, server, stack.enter_context(processes.s3()))
        titles = {contender.name: contender.title for contender in contenders}
        results: dict[str, Any] = {"titles": titles, "answers": agreed(contenders, bench)}
        results["warm_cache"] = _interleaved(contenders, bench, EVENTS, rounds, "cold")
        results |= _with_cold_cache(contenders, bench, max(1, rounds // 4))
        ours = next((contender for contender in contenders if contender.name == OURS), None)
        if ours:
            results |= _of_ours(ours, bench, rounds)
    return results


def agreed(contenders: list[Contender], bench: Bench) -> dict[str, float]:
    """P(dog) of `bench.photo` by contender.

    Raises:
        BenchmarkError: they are too far apart: one of them is not the same network, or does not do what is measured.
    """
    answers = {}
    for contender in contenders:
        first = next(kind for kind in EVENTS if _takes(contender, kind))
        answers[contender.name] = events.probability(_answer(contender, bench, first)[1])
    least, most = min(answers.values()), max(answers.values())
    if most - least > _FAR_APART:
        raise BenchmarkError(f"the contenders do not answer alike, so they cannot be compared: P(dog) is {answers}")
    return answers


def _takes(contender: Contender, kind: str) -> bool:
    return kind != "s3" or bool(contender.s3_handler)


def _interleaved(
    contenders: list[Contender], bench: Bench, kinds: tuple[str, ...], rounds: int, title: str, *, drop: bool = False
) -> dict[str, dict[str, list[float | None]]]:
    found: dict[str, dict[str, list[float | None]]] = {kind: {} for kind in kinds}
    todo = [(turn, kind, one) for turn in range(rounds) for kind in kinds for one in figures.turns(contenders, turn)]
    for number, kind, contender in tqdm(todo, desc=title, file=sys.stderr):
        if not _takes(contender, kind):
            continue
        sits_out = contender.name in _LONG and number % 3 != 0
        if drop and not sits_out:
            drop_caches()
        value = None if sits_out else _answer(contender, bench, kind)[0] * 1e3
        found[kind].setdefault(contender.name, []).append(value)
    return found


def _answer(contender: Contender, bench: Bench, kind: str) -> tuple[float, Any]:
    """Seconds from the start to the first answer, and the answer."""
    event = bench.event(kind)
    if contender.http_app:
        started = time.perf_counter()
        with processes.served(contender, bench.environ) as invoke:
            answer = invoke(event)
            return time.perf_counter() - started, answer
    handler = contender.s3_handler if kind == "s3" else contender.handler
    with processes.emulated(contender, handler, bench.environ) as invoke:
        started = time.perf_counter()
        answer = invoke(event)
        seconds = time.perf_counter() - started
    events.probability(answer)  # a problem is no answer
    return seconds, answer


def drop_caches() -> None:
    """Have the machine forget the files that it has read.

    Raises:
        OSError: it does not allow that.
    """
    os.sync()
    DROP_CACHES.write_text("1", encoding="ascii")


def _with_cold_cache(contenders: list[Contender], bench: Bench, rounds: int) -> dict[str, Any]:
    try:
        drop_caches()
    except OSError as error:
        return {"cold_cache": {}, "cold_cache_note": f"this machine does not let go of its page cache: {error}"}
    return {"cold_cache": _interleaved(contenders, bench, ("url",), rounds, "cold, page cache dropped", drop=True)}


def _of_ours(ours: Contender, bench: Bench, rounds: int) -> dict[str, Any]:
    environ = ours.environment(bench.environ | LEAN | {"PYTHONPATH": str(ROOT)})
    bare: dict[str, list[float]] = {"floor": [], OURS: []}
    cost: dict[str, list[float]] = {"plain": [], OURS: []}
    phases: dict[str, list[float]] = {}
    url = json.dumps(bench.event("url"))
    probes = {"floor": ["cold_floor.py"], OURS: ["cold_ours.py", url]}
    ways = {"plain": "plain", OURS: "ours"}
    for number in tqdm(range(rounds), desc="cold, bare processes", file=sys.stderr):
        for name in figures.turns(list(probes), number):
            script, *arguments = probes[name]
            bare[name].append(first_answer([str(ours.python), str(PROBES / script), *arguments], environ)[0])
        for name in figures.turns(list(ways), number):
            cost[name].append(_s3_cost(ours, bench, environ, ways[name]))
        for part, milliseconds in _phases(ours, environ, url):
            phases.setdefault(part, []).append(milliseconds)
    imports = {kind: _imports(ours, environ, bench.event(kind)) for kind in EVENTS}
    return {"bare": bare, "s3_cost": cost, "phases": phases, "imports": imports}


def first_answer(command: list[str], environ: Mapping[str, str]) -> tuple[float, str]:
    """Milliseconds from the start of a probe to its line "answer ...", and what the line says.

    Raises:
        BenchmarkError: it ended without.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as probe:
        for line in probe.stdout or ():
            if line.startswith("answer "):
                return (time.perf_counter() - started) * 1e3, line.removeprefix("answer ").strip()
        error = probe.stderr.read() if probe.stderr else ""
    raise BenchmarkError(f"{command[:2]} ended without an answer: {error[-2000:]}")


def _s3_cost(ours: Contender, bench: Bench, environ: Mapping[str, str], way: str) -> float:
    (key,) = bench.store.put(bench.photo)
    image = json.dumps(bench.event("upload"))
    command = [str(ours.python), str(PROBES / "s3_cost.py"), way, image, events.UPLOADS, key]
    return float(first_answer(command, environ)[1]) * 1e3


def _phases(ours: Contender, environ: Mapping[str, str], event: str) -> Iterator[tuple[str, float]]:
    before = time.monotonic()
    command = [str(ours.python), str(PROBES / "phases.py"), event]
    for part, moment in json.loads(_output(command, environ).stdout.splitlines()[-1]):
        yield part, (moment - before) * 1e3
        before = moment


def _output(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{command[:2]} failed: {done.stderr[-2000:]}")
    return done


def _imports(ours: Contender, environ: Mapping[str, str], event: dict[str, Any]) -> dict[str, dict[str, float]]:
    command = [str(ours.python), "-X", "importtime", str(PROBES / "cold_ours.py"), json.dumps(event)]
    return by_package(_output(command, environ).stderr)


def by_package(trace: str) -> dict[str, dict[str, float]]:
    """What `-X importtime` says, by package: modules of its own, their milliseconds, and those of the standard library
    that it is the first to bring along. Under "python" is what Python imports before any program; under "on demand"
    what of the standard library is imported by no other import, but by a function that needs it.
    """
    lines = re.findall(r"^import time:\s*(\d+) \|\s*\d+ \|( +)(\S+)$", trace, re.MULTILINE)
    # A module's line comes after those of what it imports, which are indented further: so read from the end.
    above: list[tuple[int, str]] = []
    packages: dict[str, dict[str, float]] = {}
    alone = ON_DEMAND
    for microseconds, indent, module in reversed(lines):
        while above and above[-1][0] >= len(indent):
            above.pop()
        name = module.partition(".")[0]
        is_standard = name in sys.stdlib_module_names or name.startswith("_")
        alone = "python" if module == "site" else alone
        package = (above[-1][1] if above else alone) if is_standard else name
        above.append((len(indent), package))
        found = packages.setdefault(package, {"modules": 0, "ms": 0.0, "standard_modules": 0, "standard_ms": 0.0})
        kind = "standard_" if is_standard else ""
        found[f"{kind}modules"] += 1
        found[f"{kind}ms"] += int(microseconds) / 1e3
    return packages


def markdown(results: dict[str, Any]) -> str:
    """Tables of what `run` returned."""
    titles = results["titles"]
    parts = ["### Process start to first answer", _starts(results["warm_cache"], titles)]
    parts += ["With the page cache dropped before each start:"]
    if results["cold_cache"]:
        parts.append(_starts(results["cold_cache"], titles))
    else:
        parts[-1] = f"With the page cache dropped: not measured, {results['cold_cache_note']}."
    if "bare" in results:
        parts += ["### Beside the floor, in bare processes", _bare(results), "### Ours, part by part"]
        parts += [_phase_table(results["phases"]), "### What ours imports before its first answer, and why"]
        parts += [_import_table(results["imports"])]
    return "\n\n".join(parts)


def _starts(found: dict[str, dict[str, list[float | None]]], titles: Mapping[str, str]) -> str:
    names = list(dict.fromkeys(name for kind in found.values() for name in kind))
    rows = []
    for name in names:
        cells = [figures.spread(figures.summary(kind[name])) if name in kind else "-" for kind in found.values()]
        rows.append([titles[name], *cells, *_times_ours(found, name)])
    columns = [f"{TITLES[kind]}, ms" for kind in found] + ["image URL, times ours"]
    return figures.table(["", *columns], rows)


def _times_ours(found: dict[str, dict[str, list[float | None]]], name: str) -> list[str]:
    url = found["url"]
    return [figures.spread(figures.ratios(url[name], url[OURS]), 2)] if OURS in url else ["-"]


def _bare(results: dict[str, Any]) -> str:
    bare, cost = results["bare"], results["s3_cost"]
    rows = [
        ["NumPy, Pillow and LiteRT imported, the file loaded, run once", _spread(bare["floor"]), ""],
        ["ours, to the answer to an image URL", _spread(bare[OURS]), _ratio(bare[OURS], bare["floor"])],
        ['`boto3.client("s3")` and the first `get_object`, beyond the second', _spread(cost["plain"]), ""],
        ["ours: the first photo from S3, beyond the second", _spread(cost[OURS]), _ratio(cost[OURS], cost["plain"])],
    ]
    return figures.table(["bare process", "ms", "times the line above"], rows)


def _spread(samples: list[float]) -> str:
    return figures.spread(figures.summary(samples), 1)


def _ratio(above: list[float], below: list[float]) -> str:
    return figures.spread(figures.ratios(above, below), 2)


def _phase_table(phases: dict[str, list[float]]) -> str:
    return figures.table(["part", "ms"], [[part, _spread(samples)] for part, samples in phases.items()])


def _import_table(imports: dict[str, dict[str, dict[str, float]]]) -> str:
    """A row a package that takes a millisecond for any of the events; `-X importtime` itself takes time, too."""
    totals = {
        package: [sum(_cost(imports[kind], package)) for kind in imports]
        for found in imports.values()
        for package in found
    }
    rows = []
    for package, costs in sorted(totals.items(), key=lambda item: -item[1][0]):
        if max(costs) >= 1:
            cells = [_modules(found, package) for found in imports.values()]
            rows.append([f"`{package}`", *cells, _WHY.get(package, "")])
    counts = [
        f"{sum(int(p['modules'] + p['standard_modules']) for p in found.values())} modules"
        for found in imports.values()
    ]
    rows.append(["all", *counts, ""])
    columns = ["with the standard library's that it brings", *(TITLES[kind] for kind in imports), "why"]
    return figures.table(columns, rows, text_last=True)


def _cost(found: dict[str, dict[str, float]], package: str) -> tuple[float, float]:
    one = found.get(package, {"ms": 0.0, "standard_ms": 0.0})
    return one["ms"], one["standard_ms"]


def _modules(found: dict[str, dict[str, float]], package: str) -> str:
    if package not in found:
        return "-"
    one = found[package]
    return f"{one['modules'] + one['standard_modules']:.0f} modules, {one['ms'] + one['standard_ms']:.1f} ms"


def plot(results: dict[str, Any], path: Path) -> None:
    """Bars of every contender and event, with least and most, on a logarithmic axis; a PNG."""
    from benchmarks import plots

    found, titles = results["warm_cache"], results["titles"]
    rows = {
        titles[name]: {
            TITLES[kind]: figures.summary(by_name[name]) for kind, by_name in found.items() if name in by_name
        }
        for name in titles
    }
    plots.bars(rows, "process start to first answer, ms (logarithmic)", path)
