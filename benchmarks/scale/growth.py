"""How our time and memory grow with a photo's pixels, threads, the records of an event, and the number of requests.

Each size has a process of its own, so its peak memory is that of one size.
"""

import io
import json
import statistics
import subprocess
from pathlib import Path
from typing import Any, Final

from PIL import Image

from benchmarks import environments, events, figures, plots, processes
from benchmarks.bare import PROBES
from benchmarks.environments import BenchmarkError, Contender
from evaluate import style

# The last is the largest JPEG within MAX_IMAGE_PIXELS.
MEGAPIXELS: Final = (0.2, 1.0, 3.0, 6.0, 12.0, 24.0, 50.0)
THREADS: Final = (1, 2)
BATCHES: Final = (1, 2, 5, 10, 20, 50)
MOST_REQUESTS: Final = 100_000
SOURCE: Final = environments.ROOT / "examples" / "cat.jpg"

_CALLS: Final = 5
_MOST_ROUNDS: Final = 5  # so that the section takes less than four minutes
_TILE: Final = (1000, 750)
_SOAKED: Final = (96, 72)
# As many as template.yaml allows, so that the largest photo is not refused for its bytes.
_ANY_BYTES: Final = {"MAX_IMAGE_BYTES": "50000000", "LOG_LEVEL": "ERROR"}


def run(
    contenders: list[Contender],
    rounds: int,
    most_requests: int = MOST_REQUESTS,
    megapixels: tuple[float, ...] = MEGAPIXELS,
    batches: tuple[int, ...] = BATCHES,
) -> dict[str, Any]:
    """Measure ours.

    Args:
        contenders: ours is one of them.
        rounds: how often each size is measured; five at most.
        most_requests: at which the last part stops.
        megapixels: sizes of photos, 4:3, JPEG.
        batches: records in one event.

    Returns:
        "pixels": a list by size and threads; "batches": by size, and "batch_fit", the line through them; "requests":
        at 1, 10, 100 ... requests.
    """
    rounds = min(rounds, _MOST_ROUNDS)
    ours = next(each for each in contenders if each.name == environments.OURS)
    with processes.s3() as store:
        found = _batches(ours, store, rounds, batches)
    return {
        "pixels": _pixels(ours, rounds, megapixels),
        "batches": found,
        "batch_fit": fit(found),
        "requests": _requests(ours, most_requests),
    }


def size_of(megapixels: float) -> tuple[int, int]:
    """Width and height of a 4:3 photo of at most so many pixels."""
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    return int(megapixels * 1e6) // height, height


def tiled(size: tuple[int, int]) -> bytes:
    """A JPEG of any size, tiled with one photo, so that every size has the same detail a pixel."""
    whole = Image.new("RGB", size)
    with Image.open(io.BytesIO(events.photo(SOURCE, _TILE))) as tile:
        for left in range(0, size[0], tile.width):
            for top in range(0, size[1], tile.height):
                whole.paste(tile, (left, top))
    file = io.BytesIO()
    whole.save(file, "JPEG", quality=85)
    return file.getvalue()


def _pixels(ours: Contender, rounds: int, megapixels: tuple[float, ...]) -> list[dict[str, Any]]:
    found = []
    for each in megapixels:
        environments.say(f"scale: {each:g} megapixels")
        photo = tiled(size_of(each))
        found += [_one_size(ours, photo, each, threads, rounds) for threads in THREADS]
    return found


def _one_size(ours: Contender, photo: bytes, megapixels: float, threads: int, rounds: int) -> dict[str, Any]:
    environ = {"NUM_THREADS": str(threads), **_ANY_BYTES}
    with processes.contender_worker(ours, environ) as worker:
        event = events.upload(photo)
        events.probability(worker.call(event)["answer"])  # not measured: the first call is not warm
        seen = worker.call(event, count=rounds * _CALLS)
    return {
        "megapixels": megapixels,
        "photo_mb": round(len(photo) / 1e6, 3),
        "threads": threads,
        "p50_ms": 1000 * statistics.median(seen["seconds"]),
        "peak_mb": seen["peak_bytes"] / 1e6,
    }


def _batches(ours: Contender, store: processes.S3, rounds: int, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    photo = events.photo(SOURCE, events.SMALL)
    found = []
    for size in sizes:
        environments.say(f"scale: {size} records in one event")
        found.append(_one_batch(ours, store, rounds, photo, size))
    return found


def _one_batch(ours: Contender, store: processes.S3, rounds: int, photo: bytes, size: int) -> dict[str, Any]:
    with processes.contender_worker(ours, store.environ, s3=True) as worker:
        worker.call(events.s3_notification(store.put(photo)))
        # New keys every time: an existing result would be compared with the new one, which takes time.
        seen = [worker.call(events.s3_notification(store.put(photo, size))) for _ in range(rounds)]
    event_ms = statistics.median(1000 * each["seconds"][0] for each in seen)
    peak_mb = seen[-1]["peak_bytes"] / 1e6
    return {"records": size, "event_ms": event_ms, "photo_ms": event_ms / size, "peak_mb": peak_mb}


def fit(batches: list[dict[str, Any]]) -> dict[str, float]:
    """The time of an event as base + records x photo, by least squares; a negative base becomes 0.

    Raises:
        ValueError: there are fewer than two sizes.
    """
    if len(batches) < 2:
        raise ValueError("a line needs two sizes of batches")
    line = statistics.linear_regression(
        [float(each["records"]) for each in batches], [float(each["event_ms"]) for each in batches]
    )
    return {"base_ms": max(0.0, line.intercept), "photo_ms": line.slope}


def _requests(ours: Contender, most: int) -> list[dict[str, Any]]:
    environments.say(f"scale: {most:,} requests in one process")
    command = [str(ours.python), str(PROBES / "many_requests.py"), *(str(mark) for mark in marks(most))]
    environ = ours.environment({"PYTHONPATH": str(environments.ROOT)})
    event = json.dumps(events.upload(tiled(_SOAKED)))
    done = subprocess.run(
        command, cwd=environments.ROOT, env=environ, input=event, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"{command[:2]} failed: {done.stderr[-2000:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def marks(most: int) -> list[int]:
    """1, 10, 100 ... below `most`, and `most`."""
    return [10**power for power in range(len(str(most))) if 10**power < most] + [most]


def markdown(results: dict[str, Any]) -> str:
    """Three tables: by pixels and threads, by records, by requests."""
    tables = (
        (_PIXELS, results["pixels"]),
        (_RECORDS, results["batches"]),
        (_REQUESTS, results["requests"]),
    )
    note = "S3 is a stand-in on loopback, whose own time is in the figures."
    return "\n\n".join([*(_table(columns, rows) for columns, rows in tables), note])


_PIXELS: Final = {
    "megapixels (JPEG)": "{megapixels:g}", "threads": "{threads}", "p50, ms": "{p50_ms:.1f}",
    "peak memory, MB": "{peak_mb:.0f}",
}  # fmt: skip
_RECORDS: Final = {
    "photos in one S3 event": "{records}", "event, ms": "{event_ms:.0f}", "a photo, ms": "{photo_ms:.1f}",
    "peak memory, MB": "{peak_mb:.0f}",
}  # fmt: skip
_REQUESTS: Final = {
    "requests so far": "{requests:,}", "ms per thousand": "{ms_per_thousand:,.0f}", "memory, MB": "{memory_mb:.1f}",
    "open descriptors": "{descriptors}",
}  # fmt: skip


def _table(columns: dict[str, str], rows: list[dict[str, Any]]) -> str:
    return figures.table(list(columns), [[cell.format(**row) for cell in columns.values()] for row in rows])


def plot(results: dict[str, Any], path: Path) -> None:
    """Time over pixels, time of a photo over the records of an event, memory over requests; a PNG."""
    with plots.drawn(path, 3, 1.7) as (pixels, batches, requests):
        sizes = [f"{each['megapixels']:g}" for each in results["pixels"] if each["threads"] == THREADS[0]]
        rows = {
            f"{threads} thread{'s' if threads > 1 else ''}": [
                each["p50_ms"] for each in results["pixels"] if each["threads"] == threads
            ]
            for threads in THREADS
        }
        plots.grouped(pixels, sizes, rows, (style.OURS, style.OURS_OTHERWISE))
        pixels.legend(loc="upper left")
        pixels.set(title="A warm answer, ms", xlabel="megapixels")
        plots.line(batches, *_columns(results["batches"], "records", "photo_ms"))
        batches.set(title="A photo from S3, ms", xlabel="photos in one event")
        plots.line(requests, *_columns(results["requests"], "requests", "memory_mb"))
        requests.set(title="Memory, MB", xlabel="requests")


def _columns(rows: list[dict[str, Any]], *names: str) -> list[list[float]]:
    return [[row[name] for row in rows] for name in names]
