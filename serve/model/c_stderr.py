"""What C code writes to `stderr`, collected while a block runs."""

import contextlib
import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from ctypes import byref, c_char_p, c_size_t, c_void_p
from typing import Final

_VARIABLE: Final = "__stderrp" if sys.platform == "darwin" else "stderr"

_lock = threading.Lock()


@contextlib.contextmanager
def collect() -> Iterator[Callable[[], str]]:
    """Point C's variable `stderr` at a stream in memory; give the function that reads what it has collected.

    A program may set this variable (glibc manual, "Standard Streams"). File descriptor 2 stays as it is, so Python's
    own `sys.stderr` and a fault handler still write where they did.
    """
    variable = c_void_p.in_dll(ctypes.CDLL(None), _VARIABLE)
    stream = _stream()
    with _lock:
        before, variable.value = variable.value, stream.handle
        try:
            yield stream.read
        finally:
            variable.value = before
            stream.read()


class _Stream:
    """A C stream in memory (POSIX open_memstream)."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        libc.open_memstream.restype = c_void_p
        libc.open_memstream.argtypes = (ctypes.POINTER(c_char_p), ctypes.POINTER(c_size_t))
        libc.fflush.argtypes = (c_void_p,)
        self._flush = libc.fflush
        self._text, self._size, self._position = c_char_p(), c_size_t(), 0
        self.handle: int = libc.open_memstream(byref(self._text), byref(self._size))

    def read(self) -> str:
        """What was written since the last call."""
        self._flush(self.handle)
        start, self._position = self._position, self._size.value
        return ctypes.string_at(self._text, self._size.value)[start:].decode(errors="replace")


@functools.cache
def _stream() -> _Stream:
    """One for the process, never closed: a thread that has just read the variable may still write."""
    return _Stream()
