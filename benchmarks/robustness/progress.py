"""Long work says once a minute how far it is."""

import sys
import time
from typing import Final

EVERY_S: Final = 60


class Progress:
    """A line on stderr each minute.

    Args:
        every_s: seconds between two lines.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._started = self._printed = time.monotonic()

    def tick(self, text: str) -> None:
        """Print the minutes and the text, if it is time."""
        now = time.monotonic()
        if now - self._printed >= self._every_s:
            self._printed = now
            print(f"{(now - self._started) / 60:.0f} min: {text}", file=sys.stderr, flush=True)
