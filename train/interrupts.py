"""Ctrl-C, and SIGTERM, by which Kubernetes, SageMaker and others end a process: both end a run with its state saved."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred() -> Iterator[threading.Event]:
    """Within, the first signal sets the event, and the second one interrupts at once.

    Only the main thread gets signals; elsewhere, nothing sets the event.

    Raises:
        KeyboardInterrupt: at the end, if the event is set.
    """
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            signal.default_int_handler(number, frame)
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    previous = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if asked.is_set():
        raise KeyboardInterrupt
