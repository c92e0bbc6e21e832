"""Our cold start in bare processes, without emulator and runtime client: beside the floor, part by part, by import."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from benchmarks import events, figures, imports
from benchmarks.environments import OURS, ROOT, BenchmarkError, Contender

PROBES: Final = ROOT / "benchmarks" / "probes"
FLOOR: Final = "floor"
WITHOUT_PHOTO: Final = "floor without a photo"
PLAIN: Final = "plain"


@dataclass(frozen=True)
class Bench:
    """The parts of a run that the probes use.

    Attributes:
        ours: our handler.
        plain: the handler whose environment has boto3; ours runs in it, before boto3 does.
        photo: a JPEG file.
        asked: an event with that photo by kind: "url", "upload" and "s3".
        more: the variables that lead the handler to the servers.
        new_key: puts the photo into S3 and returns its new key.
    """

    ours: Contender
    plain: Contender
    photo: Path
    asked: Mapping[str, Any]
    more: Mapping[str, str]
    new_key: Callable[[], str]

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a probe."""
        return self.ours.environment({**self.more, "PYTHONPATH": str(ROOT)})


def run(bench: Bench, rounds: int) -> dict[str, Any]:
    """Measure; milliseconds throughout.

    Returns:
        "bare": the floor, the floor without a photo, and our handler. "s3_cost": of the first photo from S3, the plain
        way and ours. "phases": our handler, by part. "imports": by kind of event, see `benchmarks.imports.by_package`.
    """
    python, environ, url = bench.ours.python, bench.environ, json.dumps(bench.asked["url"])
    probes = {
        WITHOUT_PHOTO: _probe(python, "cold_floor.py"),
        FLOOR: _probe(python, "cold_floor.py", str(bench.photo)),
        OURS: _probe(python, "cold_ours.py", url),
    }
    bare: dict[str, list[float]] = {name: [] for name in probes}
    s3_cost: dict[str, list[float]] = {PLAIN: [], OURS: []}
    phases: dict[str, list[float]] = {}
    for number in tqdm(range(rounds), desc="cold, bare processes", file=sys.stderr):
        for name in figures.turns(list(probes), number):
            bare[name].append(first_answer(probes[name], environ)[0])
        for name in figures.turns(list(s3_cost), number):
            s3_cost[name].append(_s3_cost(bench, name))
        for part, milliseconds in _phases(_probe(python, "phases.py", url), environ):
            phases.setdefault(part, []).append(milliseconds)
    imported = {kind: _imports(python, environ, event) for kind, event in bench.asked.items()}
    return {"bare": bare, "s3_cost": s3_cost, "phases": phases, "imports": imported}


def _probe(python: Path, script: str, *arguments: str) -> list[str]:
    return [str(python), str(PROBES / script), *arguments]


def _s3_cost(bench: Bench, name: str) -> float:
    python, way = (bench.plain.python, "plain") if name == PLAIN else (bench.ours.python, "ours")
    upload = json.dumps(bench.asked["upload"])
    command = _probe(python, "s3_cost.py", way, upload, events.UPLOADS, bench.new_key())
    return float(first_answer(command, bench.environ)[1]) * 1e3


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


def _imports(python: Path, environ: Mapping[str, str], event: Any) -> imports.Costs:
    command = [str(python), "-X", "importtime", str(PROBES / "cold_ours.py"), json.dumps(event)]
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
    steps = "import Pillow, load LiteRT's C library and the file"
    rows = [
        [f"floor without a photo: {steps}, run once", *_times_ours(bare[WITHOUT_PHOTO], bare)],
        [f"floor: {steps}, decode and resize a photo, run once", *_times_ours(bare[FLOOR], bare)],
        ["ours: answer an image URL", *_times_ours(bare[OURS], bare)],
        ['`boto3.client("s3")` and the first `get_object`, beyond the second', *_times_ours(cost[PLAIN], cost)],
        ["ours: the first photo from S3, beyond the second", *_times_ours(cost[OURS], cost)],
    ]
    return figures.table(["bare process", "ms", "ours / this"], rows)


def _times_ours(samples: list[float], found: dict[str, list[float]]) -> tuple[str, str]:
    return _spread(samples), figures.spread(figures.ratios(found[OURS], samples), 2)


def _spread(samples: list[float]) -> str:
    return figures.spread(figures.summary(samples), 1)
