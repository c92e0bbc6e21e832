"""Our cold start in bare processes, without emulator and runtime client: beside the floor, part by part, by import."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tqdm import tqdm

from benchmarks import events, figures, imports
from benchmarks.environments import OURS, ROOT, BenchmarkError, Contender

PROBES: Final = ROOT / "benchmarks" / "probes"
FLOOR: Final = "floor"


def run(
    ours: Contender, asked: Mapping[str, Any], more: Mapping[str, str], new_key: Callable[[], str], rounds: int
) -> dict[str, Any]:
    """Measure; milliseconds throughout.

    Args:
        ours: our handler.
        asked: an event by kind: "url", "upload" and "s3".
        more: the variables that lead the handler to the servers.
        new_key: puts a new photo into S3 and returns its key.
        rounds: how often.

    Returns:
        "bare": the floor and ours. "s3_cost": of the first photo from S3, the plain way and ours. "phases": of ours, by
        part. "imports": by kind of event, see `benchmarks.imports.by_package`.
    """
    environ = ours.environment({**more, "PYTHONPATH": str(ROOT)})
    python, url = str(ours.python), json.dumps(asked["url"])
    probes = {FLOOR: ["cold_floor.py"], OURS: ["cold_ours.py", url]}
    found: dict[str, Any] = {"bare": {FLOOR: [], OURS: []}, "s3_cost": {"plain": [], OURS: []}, "phases": {}}
    for number in tqdm(range(rounds), desc="cold, bare processes", file=sys.stderr):
        for name in figures.turns(list(probes), number):
            found["bare"][name].append(first_answer(_probe(python, *probes[name]), environ)[0])
        for name in figures.turns(["plain", OURS], number):
            way = "ours" if name == OURS else name
            command = _probe(python, "s3_cost.py", way, json.dumps(asked["upload"]), events.UPLOADS, new_key())
            found["s3_cost"][name].append(float(first_answer(command, environ)[1]) * 1e3)
        for part, milliseconds in _phases(_probe(python, "phases.py", url), environ):
            found["phases"].setdefault(part, []).append(milliseconds)
    return found | {"imports": {kind: _imports(python, environ, event) for kind, event in asked.items()}}


def _probe(python: str, script: str, *arguments: str) -> list[str]:
    return [python, str(PROBES / script), *arguments]


def first_answer(command: list[str], environ: Mapping[str, str]) -> tuple[float, str]:
    """Milliseconds from the start of a probe to its line "answer ...", and the rest of that line.

    Raises:
        BenchmarkError: the probe ended without it.
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


def _phases(command: list[str], environ: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    before = time.monotonic()
    for part, moment in json.loads(_output(command, environ).stdout.splitlines()[-1]):
        yield part, (moment - before) * 1e3
        before = moment


def _imports(python: str, environ: Mapping[str, str], event: Any) -> dict[str, dict[str, float]]:
    command = [python, "-X", "importtime", str(PROBES / "cold_ours.py"), json.dumps(event)]
    return imports.by_package(_output(command, environ).stderr)


def _output(command: list[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=ROOT, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{command[:2]} failed: {done.stderr[-2000:]}")
    return done


def markdown(results: dict[str, Any]) -> Iterator[str]:
    """Headings and tables of the results of `run`."""
    yield "### Beside the floor, in bare processes"
    yield _bare_table(results["bare"], results["s3_cost"])
    yield "### Ours, part by part"
    yield figures.table(["part", "ms"], [[part, _spread(samples)] for part, samples in results["phases"].items()])
    yield "### What ours imports before its first answer, and why"
    yield imports.table(results["imports"])


def _bare_table(bare: dict[str, list[float]], cost: dict[str, list[float]]) -> str:
    rows = [
        ["floor: import Pillow, load LiteRT's C library and the file, run once", _spread(bare[FLOOR]), ""],
        ["ours: answer an image URL", _spread(bare[OURS]), _ratio(bare[OURS], bare[FLOOR])],
        ['`boto3.client("s3")` and the first `get_object`, beyond the second', _spread(cost["plain"]), ""],
        ["ours: the first photo from S3, beyond the second", _spread(cost[OURS]), _ratio(cost[OURS], cost["plain"])],
    ]
    return figures.table(["bare process", "ms", "times the line above"], rows)


def _spread(samples: list[float]) -> str:
    return figures.spread(figures.summary(samples), 1)


def _ratio(above: list[float], below: list[float]) -> str:
    return figures.spread(figures.ratios(above, below), 2)
