"""Request bodies within limits on size, time and memory.

A body that never ends holds memory, and so do many that lack one byte. Lambda's front doors hold them back; here the
service does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from starlette.requests import Request

from serve.errors import ImageTooLargeError, ProblemError

BODY_TIMEOUT_S: Final = 30.0
"""For a body, from the end of the headers to its last byte: 6 MB at 1.6 Mbit/s."""

MAX_BYTES_IN_FLIGHT: Final = 100_000_000
"""Of all bodies that a worker holds at once, received or half received: 20 of the largest."""


class SlowBodyError(ProblemError):
    """The body did not arrive in time: RFC 9110, section 15.5.9."""

    status, kind, title = 408, "request-timeout", "Request timed out"


class OverloadedError(ProblemError):
    """The worker holds all the bytes that it may: RFC 9110, section 15.6.4."""

    status, kind, title = 503, "overloaded", "Overloaded"


class Uploads:
    """Reads the bodies of one worker.

    Args:
        max_bytes: of all bodies at once.
        timeout_s: for one body, in seconds.
    """

    def __init__(self, max_bytes: int = MAX_BYTES_IN_FLIGHT, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._bytes_left = max_bytes
        self._timeout_s = timeout_s

    @asynccontextmanager
    async def body(self, request: Request, max_bytes: int) -> AsyncIterator[bytearray]:
        """The body of a request; it counts as in flight until the block ends.

        Raises:
            ImageTooLargeError: it has more than `max_bytes`.
            SlowBodyError: it took too long.
            OverloadedError: the other bodies leave no room for it.
            ClientDisconnect: the client has closed the connection.
        """
        received = bytearray()
        try:
            await self._receive(request, received, max_bytes)
            yield received  # no copy: it lasts while the photo is decoded
        finally:
            self._bytes_left += len(received)

    async def _receive(self, request: Request, received: bytearray, max_bytes: int) -> None:
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > max_bytes:
            raise ImageTooLargeError.over(max_bytes)
        try:
            with anyio.fail_after(self._timeout_s):
                async for chunk in request.stream():
                    self._keep(chunk, received, max_bytes)
        except TimeoutError:
            raise SlowBodyError(f"The body took longer than {self._timeout_s:g} seconds: send it faster.") from None

    def _keep(self, chunk: bytes, received: bytearray, max_bytes: int) -> None:
        received += chunk
        self._bytes_left -= len(chunk)
        if len(received) > max_bytes:
            raise ImageTooLargeError.over(max_bytes)
        if self._bytes_left < 0:
            raise OverloadedError("The service is busy with other uploads: try again in a few seconds.")
