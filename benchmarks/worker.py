"""A handler in a process of its own, called in a loop: `python worker.py module.function`, in the handler's folder.

It runs in every baseline's environment, so it imports the standard library alone. It reads a JSON object a line from
standard input, {"events": [...], "count": how often each}, calls the handler, and writes a JSON object a line: seconds
of each call, seconds of processor time in total, the last answer, and the peak memory so far.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Handler = Callable[[Any, Any], Any]


def peak_bytes(process: str = "self") -> int:
    """The most resident memory of the process since it started, in bytes (proc(5), VmHWM)."""
    status = Path("/proc", process, "status").read_text(encoding="ascii", errors="replace")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024


def measured(handler: Handler, events: list[Any], count: int) -> dict[str, Any]:
    """Call the handler `count` times with each event."""
    seconds, answer = [], None
    processor = time.process_time()
    for event in events:
        for _ in range(count):
            started = time.perf_counter()
            answer = handler(event, None)
            seconds.append(time.perf_counter() - started)
    return {
        "seconds": seconds,
        "cpu_seconds": time.process_time() - processor,
        "answer": answer,
        "peak_bytes": peak_bytes(),
    }


def main() -> None:
    """Answer until standard input ends."""
    # The handler's own output is thrown away, so that it does not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # As the runtime client does: the handler can import what is in its folder, not what is in this file's.
    sys.path[0] = str(Path.cwd())
    module, _, function = sys.argv[1].rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), function)
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(measured(handler, asked["events"], asked["count"])) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
