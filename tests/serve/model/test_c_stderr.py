"""C's `stderr` is collected; Python's is not touched."""

import ctypes
import sys
from pathlib import Path

import pytest

from serve.model import c_stderr

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names glibc's variable")


def complain(text: bytes) -> None:
    """What `fputs(text, stderr)` does in C."""
    libc = ctypes.CDLL(None)
    libc.fputs(text, ctypes.c_void_p.in_dll(libc, "stderr"))
    libc.fflush(ctypes.c_void_p.in_dll(libc, "stderr"))


def test_c_is_collected_and_python_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    complain(b"before\n")
    with c_stderr.collect() as collected:
        complain(b"inside\n")
        print("python", file=sys.stderr, flush=True)
        assert collected() == "inside\n"
        complain(b"unread\n")
    complain(b"after\n")
    assert capfd.readouterr().err == "before\npython\nafter\n"
    with c_stderr.collect() as collected:
        assert collected() == ""


def test_an_exception_puts_it_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), c_stderr.collect():
        raise KeyError
    complain(b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_it_opens_no_file() -> None:
    folder = Path("/proc/self/fd")
    with c_stderr.collect():
        before = len(list(folder.iterdir()))
    for _ in range(10):
        with c_stderr.collect():
            complain(b"something\n")
    assert len(list(folder.iterdir())) == before
