"""Where the time of a warm answer goes: `python stages.py CALLS`, with the project in PYTHONPATH, an event on stdin.

A stage's clock stops while another stage runs inside it. The last line of its output is JSON: milliseconds a call, by
stage.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageFile

import lambda_function
from serve.fetch.fetcher import Fetcher
from serve.model.interpreter import Interpreter

REST = "everything else"


class Stopwatch:
    """One clock for all stages: the stage entered last runs."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    def _note(self) -> None:
        now = time.perf_counter()
        if self._running:
            stage = self._running[-1]
            self.spent[stage] = self.spent.get(stage, 0.0) + now - self._since
        self._since = now

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, which adds its time to the stage."""

        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self._note()
            self._running.append(stage)
            try:
                return function(*arguments, **named)
            finally:
                self._note()
                self._running.pop()

        return wrapper


def main() -> None:
    """Measure."""
    watch = Stopwatch()
    for owner, name, stage in (
        (Fetcher, "fetch", "fetch"),
        (Image, "open", "decode"),
        (ImageFile.ImageFile, "load", "decode"),
        (Image.Image, "resize", "resize"),
        (Interpreter, "run", "inference"),
    ):
        setattr(owner, name, watch.timed(stage, getattr(owner, name)))
    handler = watch.timed(REST, lambda_function.handler)
    calls, event = int(sys.argv[1]), json.load(sys.stdin)
    for _ in range(10):
        handler(event, None)
    watch.spent.clear()
    for _ in range(calls):
        handler(event, None)
    print(json.dumps({stage: seconds / calls * 1e3 for stage, seconds in watch.spent.items()}), flush=True)


if __name__ == "__main__":
    main()
