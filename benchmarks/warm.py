"""Warm answers: each handler is called in a loop in a process of its own, and they take turns in blocks.

There is no emulator and no HTTP, so the time is the handler's. Of the web server, the function behind its route is
called.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from benchmarks import events, figures, plots, processes
from benchmarks.bare import FLOOR, PROBES
from benchmarks.cold import EXAMPLE
from benchmarks.environments import KERAS, OURS, ROOT, BenchmarkError, Contender
from benchmarks.photo_server import photo_server
from benchmarks.processes import Worker

_FLOOR_TITLE: Final = "floor: decode, resize, run"
PHOTOS: Final = {
    "jpeg": (events.SMALL, "JPEG"),
    "large": (events.LARGE, "JPEG"),
    "png": (events.SMALL, "PNG"),
    "webp": (events.SMALL, "WEBP"),
}
TITLES: Final = {
    "jpeg": "JPEG, 500 x 375",
    "large": "JPEG, 12 megapixels",
    "png": "PNG, 500 x 375",
    "webp": "WebP, 500 x 375",
    "url": "image URL, 500 x 375",
}
BATCH: Final = 10

_BLOCK_S: Final = 0.3
_MOST_CALLS: Final = 50
_STAGES: Final = ("fetch", "decode", "resize", "inference", "everything else")

Block = dict[str, list[float]]


def run(contenders: list[Contender], rounds: int) -> dict[str, Any]:
    """Measure; milliseconds and bytes throughout.

    Returns:
        "titles" of the handlers. "photo_bytes": by kind. "answers": by kind of photo, by handler or "floor": "p50" and
        "cpu" a round, and "p99" of all calls. "memory": by handler: the peak bytes a round after small photos, and
        after a large one. "batch": by handler: milliseconds a photo from S3, "ten" in one event and "one" by one.
        "stages": our handler, by event.

    Raises:
        BenchmarkError: a handler fails.
    """
    photos = {kind: events.photo(EXAMPLE, *how) for kind, how in PHOTOS.items()}
    results: dict[str, Any] = {
        "titles": {contender.name: contender.title for contender in contenders} | {FLOOR: _FLOOR_TITLE},
        "photo_bytes": {kind: len(photo) for kind, photo in photos.items()},
    }
    with photo_server(photos["jpeg"]) as server:
        asked = {kind: events.upload(photo) for kind, photo in photos.items()} | {"url": {"url": f"{server}/photo"}}
        environ = processes.allowing(server)
        results["answers"] = _answers(contenders, asked, photos, environ, rounds)
        results["memory"] = _memory(contenders, asked, environ, min(rounds, 3))
        for ours in (contender for contender in contenders if contender.name == OURS):
            calls = min(100, 20 * rounds)
            results["stages"] = {kind: _stages(ours, asked[kind], environ, calls) for kind in ("url", "jpeg", "large")}
    return results | {"batch": _batch(contenders, photos["jpeg"], rounds)}


def _answers(
    contenders: list[Contender],
    asked: Mapping[str, Any],
    photos: Mapping[str, bytes],
    environ: Mapping[str, str],
    rounds: int,
) -> dict[str, dict[str, Block]]:
    with ExitStack() as stack:
        workers = {one.name: stack.enter_context(processes.contender_worker(one, environ)) for one in contenders}
        events_of = {name: dict(asked) for name in workers}
        for ours in (contender for contender in contenders if contender.name == OURS):
            floor = processes.worker(ours.python, PROBES, "floor.handler", ours.environment())
            workers[FLOOR] = stack.enter_context(floor)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            events_of[FLOOR] = _as_files(photos, folder)
        found: dict[str, dict[str, Block]] = {kind: {} for kind in asked}
        for number in range(rounds):
            names = figures.turns(list(workers), number)
            todo = [(kind, name) for kind in asked for name in names if kind in events_of[name]]
            for kind, name in tqdm(todo, desc=f"warm, round {number + 1} of {rounds}", file=sys.stderr):
                block = found[kind].setdefault(name, {"p50": [], "cpu": [], "seconds": []})
                _measure(workers[name], events_of[name][kind], block)
    return {kind: {name: _with_p99(block) for name, block in blocks.items()} for kind, blocks in found.items()}


def _as_files(photos: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    for kind, photo in photos.items():
        (folder / kind).write_bytes(photo)
    return {kind: {"path": str(folder / kind), "format": PHOTOS[kind][1]} for kind in photos}


def _measure(worker: Worker, event: Any, block: Block) -> None:
    """Add a block of calls. The first three do not count: the last of them says how many a block has."""
    first = worker.call(event, count=3)
    events.probability(first["answer"])  # a problem is not an answer
    count = max(3, min(_MOST_CALLS, int(_BLOCK_S / first["seconds"][-1])))
    measured = worker.call(event, count=count)
    block["p50"].append(figures.percentile(measured["seconds"], 50) * 1e3)
    block["cpu"].append(measured["cpu_seconds"] / count * 1e3)
    block["seconds"] += measured["seconds"]


def _with_p99(block: Block) -> Block:
    seconds = block.pop("seconds")
    return block | {"p99": [figures.percentile(seconds, 99) * 1e3], "calls": [len(seconds)]}


def _memory(
    contenders: list[Contender], asked: Mapping[str, Any], environ: Mapping[str, str], rounds: int
) -> dict[str, dict[str, list[float | None]]]:
    found: dict[str, dict[str, list[float | None]]] = {}
    todo = [(number, contender) for number in range(rounds) for contender in contenders]
    for number, contender in tqdm(todo, desc="peak memory", file=sys.stderr):
        peaks = found.setdefault(contender.name, {"jpeg": [], "large": []})
        if number and contender.name == KERAS:  # one round of it takes as long as all of the others
            for values in peaks.values():
                values.append(None)
            continue
        with processes.contender_worker(contender, environ) as worker:
            for kind, values in peaks.items():
                values.append(worker.call(asked[kind], count=5)["peak_bytes"])
    return found


def _batch(contenders: list[Contender], photo: bytes, rounds: int) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        store = stack.enter_context(processes.s3())
        workers = {
            contender.name: stack.enter_context(processes.contender_worker(contender, store.environ, s3=True))
            for contender in contenders
            if contender.s3_handler
        }
        for worker in workers.values():
            worker.call(events.s3_notification(store.put(photo, BATCH)))
        for number in tqdm(range(rounds), desc="photos from S3", file=sys.stderr):
            for name in figures.turns(list(workers), number):
                _add_batch(workers[name], store, photo, found.setdefault(name, {}))
    return found


def _add_batch(worker: Worker, store: processes.S3, photo: bytes, found: dict[str, list[float]]) -> None:
    keys = store.put(photo, BATCH)
    together = worker.call(events.s3_notification(keys))
    alone = worker.call(*(events.s3_notification([key]) for key in store.put(photo, BATCH)))
    for way, measured in (("ten", together), ("one", alone)):
        events.probability(measured["answer"])
        found.setdefault(way, []).append(sum(measured["seconds"]) / BATCH * 1e3)
        found.setdefault(f"{way}_cpu", []).append(measured["cpu_seconds"] / BATCH * 1e3)


def _stages(ours: Contender, event: Any, environ: Mapping[str, str], calls: int) -> dict[str, float]:
    """Milliseconds a call, by stage."""
    command = [str(ours.python), str(PROBES / "stages.py"), str(calls)]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True,
        env=ours.environment({**environ, "PYTHONPATH": str(ROOT)}), input=json.dumps(event),
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(f"probes/stages.py failed: {done.stderr[-2000:]}")
    stages: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return stages


def markdown(results: dict[str, Any]) -> str:
    """Tables of the results of `run`."""
    answers, titles = results["answers"], results["titles"]
    parts = ["### A warm answer: p50; p99, in milliseconds", _answer_table(answers, titles)]
    parts += ["### Requests a second and core (by processor time, all threads)", _rate_table(answers, titles)]
    parts += ["### Peak memory", _memory_table(results["memory"], titles)]
    parts += [f"### Photos from S3, {BATCH} in one event or one by one", _batch_table(results["batch"], titles)]
    if "stages" in results:
        parts += ["### Ours, stage by stage", _stage_table(results["stages"])]
    return "\n\n".join(parts)


def _answer_table(answers: dict[str, dict[str, Block]], titles: Mapping[str, str]) -> str:
    names = list(dict.fromkeys(name for blocks in answers.values() for name in blocks))
    rows = [[titles[name], *(_answer_cell(blocks, name) for blocks in answers.values())] for name in names]
    return figures.table(["", *(TITLES[kind] for kind in answers)], rows)


def _answer_cell(blocks: dict[str, Block], name: str) -> str:
    if name not in blocks:
        return "-"
    text = f"{figures.summary(blocks[name]['p50'])['median']:.2f}; {blocks[name]['p99'][0]:.2f}"
    if OURS in blocks and name != OURS:
        text += f"; {figures.spread(figures.ratios(blocks[name]['p50'], blocks[OURS]['p50']), 2)} x ours"
    return text


def _rate_table(answers: dict[str, dict[str, Block]], titles: Mapping[str, str]) -> str:
    names = list(dict.fromkeys(name for blocks in answers.values() for name in blocks if name != FLOOR))
    rows = []
    for name in names:
        rates = [[1e3 / cpu for cpu in blocks[name]["cpu"]] for blocks in answers.values()]
        rows.append([titles[name], *(figures.spread(figures.summary(rate)) for rate in rates)])
    return figures.table(["", *(TITLES[kind] for kind in answers)], rows)


def _memory_table(memory: dict[str, dict[str, list[float | None]]], titles: Mapping[str, str]) -> str:
    rows = []
    for name, peaks in memory.items():
        cells = [f"{figures.summary(values)['median'] / 1e6:,.0f} MB" for values in peaks.values()]
        large = memory[OURS]["large"] if OURS in memory else []
        ratio = figures.spread(figures.ratios(peaks["large"], large), 2) if large else "-"
        rows.append([titles[name], *cells, ratio])
    return figures.table(["", "after small photos", "after one of 12 megapixels", "times ours"], rows)


def _batch_table(batch: dict[str, dict[str, list[float]]], titles: Mapping[str, str]) -> str:
    columns = (
        "",
        "ms a photo, one by one",
        f"ms a photo, {BATCH} in one event",
        f"{BATCH} / one",
        "processor, one",
        f"processor, {BATCH}",
    )
    rows = []
    for name, found in batch.items():
        one, ten, one_cpu, ten_cpu = (
            figures.spread(figures.summary(found[way]), 1) for way in ("one", "ten", "one_cpu", "ten_cpu")
        )
        rows.append(
            [titles[name], one, ten, figures.spread(figures.ratios(found["ten"], found["one"]), 2), one_cpu, ten_cpu]
        )
    return figures.table(columns, rows)


def _stage_table(stages: dict[str, dict[str, float]]) -> str:
    rows = []
    for stage in _STAGES:
        cells = [
            f"{found[stage]:.2f} ms, {found[stage] / sum(found.values()):.0%}" if stage in found else "-"
            for found in stages.values()
        ]
        rows.append([stage, *cells])
    return figures.table(["", *(TITLES[kind] for kind in stages)], rows)


def plot(results: dict[str, Any], path: Path) -> None:
    """A panel for each kind of photo, with the median answer of every handler and of the floor; a PNG."""
    titles = results["titles"]
    columns = {
        f"{TITLES[kind]}, ms": {titles[name]: figures.summary(block["p50"]) for name, block in blocks.items()}
        for kind, blocks in results["answers"].items()
    }
    plots.panels(columns, path)
