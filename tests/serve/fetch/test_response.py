"""How one answer is read from a stream. What servers can do to a fetch is in test_fetcher.py."""

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.fetch.response import HttpResponse, read_head

START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes) -> HttpResponse:
    return read_head(io.BytesIO(data))


def body(data: bytes) -> bytes:
    return b"".join(read(data).chunks())


def test_names_have_no_case_and_values_no_blanks_around() -> None:
    response = read(START + b"CONTENT-type:  image/jpeg \r\nX-Empty:\r\n\r\n")
    assert (response.status, response.headers) == (200, {"content-type": "image/jpeg", "x-empty": ""})


def test_a_repeated_header_is_a_list() -> None:
    assert read(START + b"A: 1\r\nB: 2\r\na: 3\r\n\r\n").headers == {"a": "1, 3", "b": "2"}


def test_a_length_told_twice_is_a_length() -> None:
    assert body(START + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nabc") == b"ab"


@pytest.mark.parametrize(
    "head",
    [
        b"", b"\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        START + b"A: b\0c\r\n\r\n", START + b"Location: /a\r\nLocation: /b\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n", b"http/1.1 200 OK\r\n\r\n", START, START + b"A: b", START + b"A: b\r\n",
        START + b"A: " + b"b" * 70_000 + b"\r\n\r\n", START + b"A: b\r\n" * 257 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + START + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 101 + START + b"\r\n",
        START + (b"A: " + b"b" * 65_000 + b"\r\n") * 5 + b"\r\n",
    ],
)  # fmt: skip
def test_heads_that_are_none(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"line|number|Location|protocol|interim"):
        read(head)


@pytest.mark.parametrize(
    "line", [b"HTTP/1.1 200 OK", b"HTTP/1.1  200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 ", b"HTTP/1.1\t200  Very  good"]
)
def test_status_lines_with_more_or_fewer_blanks(line: bytes) -> None:
    assert read(line + b"\r\n\r\n").status == 200


@pytest.mark.parametrize(
    ("lines", "headers"),
    [
        (b"A: 1\r\n 2\r\n\t3\r\nB: 4\r\n", {"a": "1 2 3", "b": "4"}),
        (b" folded onto nothing\r\nA: 1\r\n", {"a": "1"}),
        (b"no colon\r\n folded onto it\r\nA: 1\r\n", {"a": "1"}),
        (b": no name\r\nA : 1\r\n", {"a": "1"}),
        (b"Location: /a\r\nLocation: /a\r\n", {"location": "/a"}),
    ],
)
def test_lines_that_cost_nothing_are_passed_over(lines: bytes, headers: dict[str, str]) -> None:
    assert read(START + lines + b"\r\n").headers == headers


def test_256_headers_are_taken() -> None:
    assert read(START + b"".join(b"A%d: b\r\n" % number for number in range(256)) + b"\r\n").status == 200


@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: 3\r\n\r\nabc and more", b"\r\nabc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: Chunked\r\n\r\n1 ;a=b\r\na\r\n02\r\nbc\r\n000\r\nTrailer: x\r\n\r\n",
        # RFC 9112, 6.3: the chunks count, whatever the length says.
        b"Content-Length: 1\r\n" + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
        b"Content-Length: 3\n\nabc",
        # What servers say that means nothing, or the same twice.
        b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabcd", b"Transfer-Encoding:\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabcd", b"Content-Length:\r\n\r\nabc",
        b"Content-Length:\r\n 3\r\n\r\nabcd",
    ],
)  # fmt: skip
def test_bodies(framed: bytes) -> None:
    assert body(START + framed) == b"abc"


@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: 4\r\n\r\nabc", b"Content-Length: +3\r\n\r\nabc", b"Content-Length: 3, 4\r\n\r\nabcd",
        b"Content-Length: \xb3\r\n\r\nabc", b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", b"Content-Length: 3\r\n 4\r\n\r\nabcd",
        b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
        CHUNKED + b"1_0\r\n", CHUNKED + b"\r\n",
        CHUNKED + b"0\r\n", CHUNKED + b"0\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        CHUNKED + b"1\nx\n" * 100_001 + b"0\r\n\r\n",
    ],
)  # fmt: skip
def test_bodies_that_are_broken(framed: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        body(START + framed)


@given(st.binary(max_size=400), st.sampled_from([b"", START, START + CHUNKED]))
def test_any_bytes_are_an_answer_or_an_error(data: bytes, start: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(body(start + data)) <= len(data)
