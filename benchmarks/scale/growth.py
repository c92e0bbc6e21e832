"""How ours grows: with a photo's pixels, with threads, with the records of an event, and with the number of requests.

Each size has a process of its own, so that its peak memory is of that size alone.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from PIL import Image

from benchmarks import environments, events, figures, processes
from benchmarks.environments import BenchmarkError, Contender
from benchmarks.robustness import soak

# The last is what MAX_IMAGE_PIXELS takes of a JPEG.
MEGAPIXELS: Final = (0.2, 1.0, 3.0, 6.0, 12.0, 24.0, 50.0)
THREADS: Final = (1, 2)
BATCHES: Final = (1, 2, 5, 10, 20, 50)
MOST_REQUESTS: Final = 100_000
SOURCE: Final = environments.ROOT / "examples" / "cat.jpg"

_CALLS: Final = 5
_MOST_ROUNDS: Final = 5  # so that all of it takes less than four minutes
_TILE: Final = (1000, 750)
_SOAKED: Final = (96, 72)
# As much as template.yaml allows, so that the bytes are not what stops the largest photo.
_ANY_BYTES: Final = {"MAX_IMAGE_BYTES": "50000000", "LOG_LEVEL": "CRITICAL"}


def run(
    contenders: list[Contender],
    rounds: int,
    most_requests: int = MOST_REQUESTS,
    megapixels: tuple[float, ...] = MEGAPIXELS,
    batches: tuple[int, ...] = BATCHES,
) -> dict[str, Any]:
    """Measure ours.

    Args:
        contenders: ours is among them.
        rounds: of each size of a photo and of a batch; five at most.
        most_requests: to stop the last part at.
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
    """Width and height of a 4:3 photo, not more than so many pixels."""
    height = int((megapixels * 1e6 * 3 / 4) ** 0.5)
    return int(megapixels * 1e6) // height, height


def tiled(size: tuple[int, int]) -> bytes:
    """A JPEG of any size, made of copies of one photo, so that every size has the same detail a pixel."""
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
        events.probability(worker.call(event)["answer"])  # the first call is not warm; and it must be an answer
        told = worker.call(event, count=rounds * _CALLS)
    return {
        "megapixels": megapixels,
        "photo_mb": round(len(photo) / 1e6, 3),
        "threads": threads,
        "p50_ms": 1000 * statistics.median(told["seconds"]),
        "peak_mb": told["peak_bytes"] / 2**20,
    }


def _batches(ours: Contender, store: processes.S3, rounds: int, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    photo = events.photo(SOURCE, events.SMALL)
    found = []
    for size in sizes:
        environments.say(f"scale: {size} records in one event")
        with processes.contender_worker(ours, store.environ, s3=True) as worker:
            worker.call(events.s3_notification(store.put(photo)))
            # New keys every time: a result that is there already is compared with the new one.
            told = [worker.call(events.s3_notification(store.put(photo, size))) for _ in range(rounds)]
        events_ms = [1000 * each["seconds"][0] for each in told]
        event_ms = statistics.median(events_ms)
        peak_mb = told[-1]["peak_bytes"] / 2**20
        found.append({"records": size, "event_ms": event_ms, "photo_ms": event_ms / size, "peak_mb": peak_mb})
    return found


def fit(batches: list[dict[str, Any]]) -> dict[str, float]:
    """The time of an event as base + records x photo, by least squares; a base below nothing is nothing.

    Raises:
        ValueError: there are not two sizes.
    """
    if len(batches) < 2:
        raise ValueError("a line needs two sizes of batches")
    line = statistics.linear_regression(
        [float(each["records"]) for each in batches], [float(each["event_ms"]) for each in batches]
    )
    return {"base_ms": max(0.0, line.intercept), "photo_ms": line.slope}


def _requests(ours: Contender, most: int) -> list[dict[str, Any]]:
    environments.say(f"scale: {most:,} requests in one process")
    command = [str(ours.python), "-m", "benchmarks.scale.growth", "--requests", str(most)]
    done = subprocess.run(
        command, cwd=environments.ROOT, env=ours.environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"this failed: {' '.join(command)}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def marks(most: int) -> list[int]:
    """1, 10, 100 ... up to `most`, and that."""
    return [10**power for power in range(len(str(most))) if 10**power < most] + [most]


def in_one_process(most: int) -> list[dict[str, Any]]:
    """Call the handler of this process so often with a small upload, and note what it holds at each mark.

    Raises:
        BenchmarkError: an answer differs from the first.
    """
    import lambda_function

    event = soak.post(tiled(_SOAKED), "image/jpeg")
    first = events.probability(lambda_function.handler(event, None))
    found, done = [], 0
    for mark in marks(most):
        started = time.perf_counter()
        for _ in range(mark - done):
            answer = lambda_function.handler(event, None)
        seconds = time.perf_counter() - started
        if events.probability(answer) != first:
            raise BenchmarkError(f"after {mark:,} requests the answer is {answer}, at first {first}")
        usage = soak.Usage.now()
        found.append(
            {
                "requests": mark,
                "ms_per_thousand": 1e6 * seconds / (mark - done),
                "memory_mb": usage.memory_mb * 1e6 / 2**20,
                "descriptors": usage.descriptors,
                "threads": usage.threads,
            }
        )
        done = mark
    return found


def markdown(results: dict[str, Any]) -> str:
    """Three tables: pixels and threads, records, requests."""
    pixels = [
        [f"{each['megapixels']:g}", f"{each['threads']}", f"{each['p50_ms']:.1f}", f"{each['peak_mb']:.0f}"]
        for each in results["pixels"]
    ]
    batches = [
        [f"{each['records']}", f"{each['event_ms']:.0f}", f"{each['photo_ms']:.1f}", f"{each['peak_mb']:.0f}"]
        for each in results["batches"]
    ]
    requests = [
        [
            f"{each['requests']:,}",
            f"{each['ms_per_thousand']:,.0f}",
            f"{each['memory_mb']:.1f}",
            f"{each['descriptors']}",
        ]
        for each in results["requests"]
    ]
    return "\n\n".join(
        [
            figures.table(["megapixels (JPEG)", "threads", "p50, ms", "peak memory, MB"], pixels),
            figures.table(["photos in one S3 event", "event, ms", "a photo, ms", "peak memory, MB"], batches),
            figures.table(["requests so far", "ms per thousand", "memory, MB", "open descriptors"], requests),
            "MB are 2<sup>20</sup> bytes. S3 is a stand-in on loopback, whose own time is in the figures.",
        ]
    )


def plot(results: dict[str, Any], path: Path) -> None:
    """Time over pixels, time of a photo over the records of an event, memory over requests; a PNG."""
    from matplotlib.figure import Figure  # here, as a run without plots needs no matplotlib

    from benchmarks import plots

    figure = Figure(figsize=(9, 3), layout="constrained")
    (left, middle, right) = figure.subplots(1, 3)
    for threads in THREADS:
        chosen = [each for each in results["pixels"] if each["threads"] == threads]
        label = f"NUM_THREADS={threads}"
        left.plot([each["megapixels"] for each in chosen], [each["p50_ms"] for each in chosen], "o-", label=label)
    left.legend(fontsize="small")
    left.set(xlabel="megapixels", ylabel="warm answer, ms")
    batches, requests = results["batches"], results["requests"]
    middle.plot([each["records"] for each in batches], [each["photo_ms"] for each in batches], "o-")
    middle.set(xlabel="photos in one S3 event", ylabel="a photo, ms", xscale="log")
    right.plot([each["requests"] for each in requests], [each["memory_mb"] for each in requests], "o-")
    right.set(xlabel="requests", ylabel="memory, MB", xscale="log")
    for axes in (left, middle, right):
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])
    plots.save(figure, path)


def main() -> None:
    """Print, as JSON, what this process holds after 1, 10, 100 ... requests."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale.growth", description="Many requests in one process."
    )
    parser.add_argument("--requests", type=int, default=MOST_REQUESTS, help="how many (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.requests < 1:
        parser.error("--requests takes a whole number of at least 1")
    # The log is written, as on Lambda, but nobody reads it here.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        found = in_one_process(arguments.requests)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
