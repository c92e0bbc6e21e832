"""The byte limit and the deadline, against servers on loopback that flood and drip."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from serve.errors import FetchFailedError, FetchTimeoutError, ImageTooLargeError
from serve.fetch.fetcher import Fetcher
from serve.fetch.wire import Deadline, Wire
from tests.serve.fetchers import fetch_from, fetcher, policy
from tests.serve.servers import (
    PHOTO,
    PUBLIC,
    Answer,
    Internet,
    chunked,
    drips,
    floods,
    gzip_bomb,
    head,
    photo,
    redirect,
    sends,
    silent,
)

# The byte limit


@pytest.mark.parametrize("framing", [photo, chunked, lambda body: sends(head(), body)])
def test_the_cap_is_exact(framing: Callable[[bytes], Answer]) -> None:
    assert fetch_from(framing(PHOTO), max_bytes=len(PHOTO)) == PHOTO
    with pytest.raises(ImageTooLargeError):
        fetch_from(framing(PHOTO), max_bytes=len(PHOTO) - 1)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_stopped_by_what_it_grows_to_and_never_grows(encoding: str) -> None:
    bomb = gzip_bomb(100) if encoding == "gzip" else zlib.compress(bytes(100_000_000))
    fetch_from(photo())  # what a first fetch keeps is not counted
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLargeError):
            fetch_from(photo(bomb, Content_Encoding=encoding), max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


FLOODS = {
    "a body without an end": (head(), b"x" * 65_536),
    "a length that lies": (head(Content_Length=10**12), b"x" * 65_536),
    "chunks without an end": (head(Transfer_Encoding="chunked"), b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "a chunk of size -1": (head(Transfer_Encoding="chunked") + b"-1\r\n", b"x" * 65_536),
    "trailers without an end": (head(Transfer_Encoding="chunked") + b"0\r\n", b"A: b\r\n" * 1000),
    "gzip that holds nothing": (head(Content_Encoding="gzip"), gzip.compress(b"") * 1000),
    "promises without an end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_stopped_by_its_bytes(name: str) -> None:
    fetch_from(photo())
    tracemalloc.start()
    try:
        with pytest.raises((ImageTooLargeError, FetchFailedError)):
            fetch_from(floods(*FLOODS[name]), max_bytes=1_000_000, timeout_s=20)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_photo_in_single_bytes_is_stopped_by_their_number() -> None:
    near, far = socket.socketpair()
    with near, far:
        wire, byte = Wire(near, Deadline(20), 20, 1_000_000), bytearray(1)
        for _ in range(10):
            far.sendall(bytes(10_000))
            for _ in range(10_000):
                assert wire.readinto(byte) == 1
        far.sendall(bytes(1))
        with pytest.raises(ValueError, match="small pieces"):
            wire.readinto(byte)


# The deadline

DRIPS = {
    "silence": silent,
    "headers without an end": drips(b"HTTP/1.1 200 OK\r\n", b"A"),
    "a slow body": drips(head(Content_Length=100_000), b"x"),
    "a slow body without length": drips(head(), b"x"),
    "slow chunks": drips(head(Transfer_Encoding="chunked"), b"1\r\nx\r\n"),
    "slow gzip": drips(head(Content_Encoding="gzip") + gzip.compress(b"x")[:10], b"\x00\x00\x00\xff\xff"),
    "slow promises": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "slow redirects": lambda server, sock: (server.stopping.wait(0.12), redirect("/again")(server, sock))[1],
}


@pytest.mark.parametrize("name", DRIPS)
def test_slow_answers_run_into_the_deadline(name: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        fetch_from(DRIPS[name], timeout_s=0.4)
    assert time.monotonic() - started < 3


def test_silence_ends_before_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        fetch_from(silent, timeout_s=30, read_timeout_s=0.1)
    assert time.monotonic() - started < 10


def test_the_caller_can_only_shorten_the_deadline(internet: Internet) -> None:
    waits: list[float] = []

    def dial(_address: str, _port: int, timeout_s: float) -> socket.socket:
        waits.append(timeout_s)
        raise ConnectionRefusedError

    one = Fetcher(policy(timeout_s=1.0, connect_timeout_s=100), internet.resolve, dial)
    for given_s in (0.5, 50.0, None):
        with pytest.raises(FetchFailedError):
            one.fetch("http://example.org/", given_s)
    assert waits[0] <= 0.5 < waits[1] <= 1.0
    assert 0.5 < waits[2] <= 1.0


def test_each_address_has_its_own_connect_limit(internet: Internet) -> None:
    waits: list[float] = []

    def dial(_address: str, _port: int, timeout_s: float) -> socket.socket:
        waits.append(timeout_s)
        raise TimeoutError

    with pytest.raises(FetchTimeoutError):
        Fetcher(policy(connect_timeout_s=0.7), internet.resolve, dial).fetch("http://dual.example/")
    assert waits == [0.7, 0.7]


@pytest.mark.parametrize("left_s", [0.0, -1.0])
def test_no_time_left(internet: Internet, left_s: float) -> None:
    with pytest.raises(FetchTimeoutError):
        fetcher(internet).fetch("http://example.org/", left_s)
    assert internet.dialled == []


def test_a_late_answer_from_dns_is_too_late_and_leads_nowhere(internet: Internet) -> None:
    release, asked = threading.Event(), threading.Event()

    def late(_host: str, _port: int) -> list[str]:
        asked.set()
        release.wait(20)
        return [PUBLIC]

    started = time.monotonic()
    with pytest.raises(FetchTimeoutError):
        Fetcher(policy(timeout_s=0.2), late, internet.dial).fetch("http://example.org/")
    assert time.monotonic() - started < 3
    assert asked.is_set()
    release.set()
    for thread in threading.enumerate():
        if thread.name == "resolve":
            thread.join(10)
    assert internet.dialled == []


def test_a_tls_handshake_counts_too(internet: Internet) -> None:
    internet_of_silence = socket.create_server(("127.0.0.1", 0))
    with internet_of_silence:
        internet.port = internet_of_silence.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(FetchTimeoutError):
            fetcher(internet, timeout_s=0.3).fetch("https://example.org/")
        assert time.monotonic() - started < 3
