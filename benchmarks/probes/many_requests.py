"""The time and memory of many requests in one process: `python many_requests.py MARK...`, an event on standard input.

The project is in PYTHONPATH. The last line of its output is JSON: an object for each mark, a number of requests.
"""

import contextlib
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import lambda_function


def usage() -> dict[str, float]:
    """What this process has now: resident memory in megabytes, open descriptors, threads."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "memory_mb": pages * os.sysconf("SC_PAGESIZE") / 1e6,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }


def measured(event: Any, marks: list[int]) -> list[dict[str, float]]:
    """Send requests up to each mark.

    Raises:
        RuntimeError: an answer differs from the first.
    """
    first = lambda_function.handler(event, None)["body"]
    found, done = [], 0
    for mark in marks:
        started = time.perf_counter()
        for _ in range(mark - done):
            answer = lambda_function.handler(event, None)
        seconds = time.perf_counter() - started
        if answer["body"] != first:
            raise RuntimeError(f"after {mark:,} requests the answer is {answer}; the first was {first}")
        found.append({"requests": mark, "ms_per_thousand": 1e6 * seconds / (mark - done), **usage()})
        done = mark
    return found


def main() -> None:
    """Measure."""
    event, marks = json.load(sys.stdin), [int(mark) for mark in sys.argv[1:]]
    # The log is written, as on Lambda, and thrown away.
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        found = measured(event, marks)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
