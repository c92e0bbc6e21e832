"""Bodies within limits on size, time and memory, as the ASGI messages bring them."""

from collections.abc import Iterable

import pytest

pytest.importorskip("starlette", reason="needs the local service's packages (requirements/local.txt)")

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from local.uploads import OverloadedError, SlowBodyError, Uploads
from serve.errors import ImageTooLargeError, ProblemError


def request(chunks: Iterable[bytes], *, ends: bool = True, length: str = "") -> Request:
    """A request whose body comes in these chunks, and then ends or never does."""
    headers = [(b"content-length", length.encode())] if length else []
    messages = iter(chunks)

    async def receive() -> Message:
        chunk = next(messages, None)
        if chunk is None and not ends:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def read(uploads: Uploads, asked: Request, max_bytes: int = 100) -> bytearray:
    async def run() -> bytearray:
        async with uploads.body(asked, max_bytes) as body:
            return body

    return anyio.run(run)


def test_a_body_is_read_whole() -> None:
    assert read(Uploads(), request([b"ab", b"", b"c"])) == b"abc"


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (request([b"a" * 60, b"a" * 41]), ImageTooLargeError),
        (request([], length="101"), ImageTooLargeError),
        (request([b"a"], ends=False), SlowBodyError),
        (request([b"a" * 60, b"a" * 21]), OverloadedError),
    ],
)
def test_a_body_beyond_a_limit_is_refused_and_its_bytes_are_free_again(
    asked: Request, problem: type[ProblemError]
) -> None:
    uploads = Uploads(max_bytes=200 if problem is ImageTooLargeError else 80, timeout_s=0.05)
    with pytest.raises(problem):
        read(uploads, asked)
    assert len(read(uploads, request([b"a" * 80]))) == 80


def test_bodies_share_one_budget_until_they_are_answered() -> None:
    uploads = Uploads(max_bytes=100)

    async def run() -> None:
        async with uploads.body(request([b"a" * 60]), 100):
            with pytest.raises(OverloadedError):
                async with uploads.body(request([b"a" * 60]), 100):
                    pass
        async with uploads.body(request([b"a" * 60]), 100) as body:
            assert len(body) == 60

    anyio.run(run)


def test_an_error_while_a_body_is_answered_is_not_taken_for_a_slow_body() -> None:
    async def run() -> None:
        async with Uploads().body(request([b"a"]), 100):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        anyio.run(run)


def test_a_client_that_leaves_is_told_apart() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnect):
        read(Uploads(), Request({"type": "http", "method": "POST", "headers": []}, receive))
