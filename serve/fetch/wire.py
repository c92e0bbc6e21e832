"""The network under a deadline and a byte limit: names become addresses, addresses become sockets, sockets are read."""

import io
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from serve.errors import ImageTooLargeError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) -> addresses as text, in the order to try them. Raises OSError or ValueError when there are none."""

Dial = Callable[[str, int, float], socket.socket]
"""(address that has been checked, port, seconds) -> a connected TCP socket. Raises OSError."""

_FRAMING_BYTES: Final = 1_000_000  # beyond the photo itself: headers, chunk sizes, trailers
_MAX_READS: Final = 100_000  # a packet has a thousand bytes or more


class Deadline:
    """A point in time that many waits share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self, at_most: float = float("inf")) -> float:
        """The seconds that are left, never 0: a socket reads 0 as "do not wait".

        Raises:
            TimeoutError: none are left.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, at_most)


class Wire(io.RawIOBase):
    """A connected socket whose every read obeys the deadline and counts towards the byte limit.

    A socket's own timeout restarts with each byte, so a server that sends one now and then would hold it forever. The
    limit counts raw bytes, so it holds whatever a response does to the parsers above it.

    Args:
        sock: connected; the caller closes it.
        deadline: for the whole exchange.
        silence_s: for one read or write, in seconds.
        max_bytes: of the photo, as it is sent.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, silence_s: float, max_bytes: int) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._silence_s = silence_s
        self._max_bytes = max_bytes
        self._left_bytes = max_bytes + _FRAMING_BYTES
        self._left_reads = _MAX_READS

    def readable(self) -> bool:
        """Always, as `io.BufferedReader` asks."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read once.

        Raises:
            TimeoutError: the deadline has passed, or the server was silent for too long.
            ImageTooLargeError: the server sent more than a photo of `max_bytes` needs.
            ValueError: the server sent it in too many pieces.
        """
        self._left_reads -= 1
        if self._left_reads < 0:
            raise ValueError("too many small pieces")
        self._sock.settimeout(self._deadline.left_s(self._silence_s))
        count = self._sock.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise too_large(self._max_bytes)
        return count

    def sendall(self, data: "ReadableBuffer") -> None:
        """Send all of it."""
        self._sock.settimeout(self._deadline.left_s(self._silence_s))
        self._sock.sendall(data)


def too_large(max_bytes: int) -> ImageTooLargeError:
    """The problem of a URL with more than `max_bytes` behind it."""
    return ImageTooLargeError(f"The URL gives more than {max_bytes:,} bytes. Send a smaller image.")


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    # As bytes: text would load the tables of IDNA, even for an ASCII name.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _family, _type, _protocol, _name, sockaddr in found]


def system_dial(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect directly. A proxy, whatever the environment says, would resolve the host a second time on its own."""
    # Not `create_connection`, which would resolve the address, as text.
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def resolved(resolve: Resolver, host: str, port: int, deadline: Deadline) -> Sequence[str]:
    """Ask the resolver in a thread, because getaddrinfo has no time limit. A late answer is dropped.

    Raises:
        TimeoutError: the deadline has passed.
        OSError, ValueError: the resolver's.
    """
    answers: list[Sequence[str] | OSError | ValueError] = []

    def ask() -> None:
        try:
            answers.append(resolve(host, port))
        except (OSError, ValueError) as error:
            answers.append(error)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(deadline.left_s())
    if not answers:
        raise TimeoutError("no answer from DNS")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]
