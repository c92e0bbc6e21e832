"""A URL from a stranger -> the bytes behind it, without becoming the stranger's way into our network (SSRF).

Each hop, the first and every redirect, goes the same way: parse strictly, resolve once, refuse unless every address
is public, connect to one of these very addresses, and read under one deadline and one cap. The check is on resolved
addresses, so it does not matter how a URL spells one, nor what DNS would answer a second time.

The client hears that a URL was refused or failed. What was found behind it goes to the log only.
"""

import io
import logging
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, BinaryIO, Final, cast
from urllib.parse import quote, urljoin

from serve.errors import (
    FetchFailedError,
    FetchTimeoutError,
    ImageTooLargeError,
    ProblemError,
    UrlRefusedError,
)
from serve.fetch.addresses import Address, Network, is_public
from serve.fetch.response import ENCODINGS, HttpResponse, inflated, read_head
from serve.fetch.url import MALFORMED, URL_SAFE, Target, parse

if TYPE_CHECKING:  # at run time it is loaded by the first https URL: others do not pay
    import ssl

    from _typeshed import WriteableBuffer

Resolver = Callable[[str, int], Sequence[str]]
"""(host, port) -> addresses as text, in the order to try them. Raises OSError or ValueError when there are none."""

Dial = Callable[[str, int, float], socket.socket]
"""(address that has been checked, port, seconds) -> a connected TCP socket. Raises OSError."""

USER_AGENT: Final = "cats-vs-dogs-lambda/0.1 (image classifier)"
"""Says who asks: Wikimedia and others refuse a client that does not."""

MAX_REDIRECTS: Final = 5

_log = logging.getLogger(__name__)

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})  # RFC 9110, 15.4
_CHUNK_BYTES: Final = 65_536
_FRAMING_BYTES: Final = 1_000_000  # beyond the photo itself: headers, chunk sizes, trailers

_REFUSED: Final = "The URL's host is not one that this service fetches from: send another URL, or the image itself."
_FAILED: Final = "The server behind the URL did not answer with the image: check the URL, or send the image itself."
_TOO_SLOW: Final = "The server behind the URL was too slow: try again, or send the image itself."


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched.

    Attributes:
        enabled: whether anything is.
        allowed_hosts: if not empty, only these hosts, redirects included: ASCII (IDNA), lower case, no trailing dot.
            An entry with a leading dot, ".example.org", stands for all sub-domains. Their addresses must be public too.
        allowed_ports: only these.
        max_bytes: of one photo, as it leaves gzip.
        timeout_s: for one URL, in seconds, from the DNS question to the last byte, redirects included.
        allowed_networks: networks that may be reached though they are not public. Whoever can send a URL can then
            reach every web server in them: for photos on a private network, and for trying things out on one machine.
        connect_timeout_s: for one attempt at one address, in seconds; the next address gets its chance.
        read_timeout_s: of silence, in seconds.
    """

    enabled: bool = True
    allowed_hosts: frozenset[str] = frozenset()
    allowed_ports: frozenset[int] = frozenset({80, 443})
    max_bytes: int = 10_000_000
    timeout_s: float = 5.0
    allowed_networks: frozenset[Network] = frozenset()
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 4.0


def system_resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    # As bytes: text would load the tables of IDNA, ASCII or not.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for _family, _type, _protocol, _name, sockaddr in found]


def system_dial(address: str, port: int, timeout_s: float) -> socket.socket:
    """Connect. No proxy, whatever the environment says: a proxy would resolve the host again, on its own."""
    # Not `create_connection`, which would resolve the address, as text.
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.settimeout(timeout_s)
        sock.connect((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class Fetcher:
    """Fetches photos from URLs, as far as the policy goes. Keeps no state between fetches: no cookies, no connections.

    Args:
        policy: what may be fetched.
        resolve, dial: how names become addresses, and addresses connections. What stands between the two, the check of
            every address, is not to be replaced.
        ca_file: certificate authorities to trust instead of the system's, a PEM file.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        resolve: Resolver = system_resolve,
        dial: Dial = system_dial,
        ca_file: str | None = None,
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._dial = dial
        self._ca_file = ca_file

    def fetch(self, url: str, timeout_s: float | None = None) -> bytes:
        """The body behind a URL, decompressed. Whether it is an image is not looked at.

        Args:
            url: as the client sent it.
            timeout_s: what is left for it, in seconds; the policy's limit counts if that is smaller.

        Raises:
            MalformedRequestError: it is no URL.
            UrlRefusedError: it, or a redirect, leads to where the policy does not go.
            FetchFailedError: no such host, no connection, no valid certificate, no 200, or not the whole body.
            FetchTimeoutError: time ran out.
            ImageTooLargeError: more than `policy.max_bytes`.
        """
        limit = self._policy.timeout_s if timeout_s is None else min(self._policy.timeout_s, timeout_s)
        try:
            if not self._policy.enabled:
                raise UrlRefusedError("This service does not fetch from URLs: send the image itself.")
            return self._follow(url, _Deadline(limit))
        except ProblemError as problem:
            _log.warning("%s: %s: %s", problem.kind, _shown(url), _printable(problem.__cause__ or problem.detail))
            raise

    def _follow(self, url: str, deadline: "_Deadline") -> bytes:
        target = parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            with self._answered(target, deadline) as response:
                if response.status not in _REDIRECTS:
                    return self._body(target, response)
                location = response.headers.get("location")
            target = _redirected(target, location)
        raise FetchFailedError(_FAILED) from _FoundError(target, f"more than {MAX_REDIRECTS} redirects")

    @contextmanager
    def _answered(self, target: Target, deadline: "_Deadline") -> Iterator[HttpResponse]:
        """The answer to a GET, its body not read yet; within the block too, errors become problems."""
        try:
            with ExitStack() as stack:
                sock = stack.enter_context(self._connected(target, deadline))
                if target.scheme == "https":
                    sock = stack.enter_context(self._secured(sock, target, deadline))
                yield _requested(target, _Wire(sock, deadline, self._policy))
        except TimeoutError as error:
            raise FetchTimeoutError(_TOO_SLOW) from _FoundError(target, error)
        except (OSError, ValueError, zlib.error) as error:
            raise FetchFailedError(_FAILED) from _FoundError(target, error)

    def _connected(self, target: Target, deadline: "_Deadline") -> socket.socket:
        failure = OSError("no address")
        for address in self._checked_addresses(target, deadline):
            try:
                return self._dial(str(address), target.port, deadline.left_s(self._policy.connect_timeout_s))
            except OSError as error:
                failure = error
        raise failure

    def _checked_addresses(self, target: Target, deadline: "_Deadline") -> list[Address]:
        """The addresses of the host, every one of them allowed: one that is not is refused together with the rest."""
        if target.port not in self._policy.allowed_ports or not self._is_allowed_host(target.host):
            raise UrlRefusedError(_REFUSED) from _FoundError(target, "host or port not allowed")
        addresses = [ip_address(text) for text in self._resolved(target, deadline)]
        if not all(map(self._is_allowed, addresses)):
            raise UrlRefusedError(_REFUSED) from _FoundError(target, f"resolves to {', '.join(map(str, addresses))}")
        return addresses

    def _is_allowed_host(self, host: str) -> bool:
        allowed = self._policy.allowed_hosts
        return not allowed or any(host == entry or (entry[:1] == "." and host.endswith(entry)) for entry in allowed)

    def _is_allowed(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self._policy.allowed_networks)

    def _resolved(self, target: Target, deadline: "_Deadline") -> Sequence[str]:
        """Ask in a thread, because getaddrinfo knows no time limit. A late answer is dropped, and its thread ends."""
        answers: list[Sequence[str] | OSError | ValueError] = []

        def ask() -> None:
            try:
                answers.append(self._resolve(target.host, target.port))
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

    @cached_property
    def _tls(self) -> "ssl.SSLContext":
        import ssl

        return ssl.create_default_context(cafile=self._ca_file)

    def _secured(self, sock: socket.socket, target: Target, deadline: "_Deadline") -> "ssl.SSLSocket":
        """TLS with the host that the URL names, whatever the address: in SNI, and in the certificate."""
        sock.settimeout(deadline.left_s(self._policy.read_timeout_s))  # limits the whole handshake
        # A connection cut by someone in between must not look like the end of the body.
        return self._tls.wrap_socket(sock, server_hostname=target.host, suppress_ragged_eofs=False)

    def _body(self, target: Target, response: HttpResponse) -> bytes:
        if response.status != 200:
            # Behind an allowed private network, even the status is the network's secret.
            told = "" if self._policy.allowed_networks else f" Its status was {response.status}."
            raise FetchFailedError(_FAILED + told) from _FoundError(target, f"status {response.status}")
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if encoding not in ENCODINGS:
            raise FetchFailedError(_FAILED) from _FoundError(target, f"Content-Encoding: {encoding}")
        compressed = encoding not in ("", "identity")
        body = bytearray()
        for chunk in response.chunks():
            body += chunk
            if not compressed and len(body) > self._policy.max_bytes:
                raise _too_large(self._policy)
        if not compressed:
            return bytes(body)
        # As it came, `_Wire` has its cap on it.
        plain = inflated(body, encoding, self._policy.max_bytes)
        if len(plain) > self._policy.max_bytes:
            raise _too_large(self._policy)
        return plain


def _too_large(policy: FetchPolicy) -> ImageTooLargeError:
    return ImageTooLargeError(f"The URL gives more than {policy.max_bytes:,} bytes: send a smaller image.")


class _FoundError(Exception):
    """What was found behind a URL: the cause of a problem, for the log alone."""

    def __init__(self, target: Target, found: object) -> None:
        super().__init__(f"{target}: {found!r}" if isinstance(found, Exception) else f"{target}: {found}")


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left_s(self, at_most: float = float("inf")) -> float:
        """The seconds that are left, never 0: that would mean "do not wait" to a socket. Raises TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, at_most)


def _redirected(previous: Target, location: str | None) -> Target:
    """Where a redirect leads, relative or not."""
    if not location:
        raise FetchFailedError(_FAILED) from _FoundError(previous, "a redirect without Location")
    try:
        # Headers are read as Latin-1; servers write UTF-8. As bytes it does not matter.
        target = parse(urljoin(previous.url, quote(location.encode("latin-1"), safe=URL_SAFE)))
    except ValueError:
        raise UrlRefusedError(MALFORMED) from None
    if previous.scheme == "https" and target.scheme == "http":
        raise UrlRefusedError("The URL redirects from https to http.") from _FoundError(previous, f"leads to {target}")
    return target


def _requested(target: Target, wire: "_Wire") -> HttpResponse:
    headers = {
        "Host": target.authority,
        "User-Agent": USER_AGENT,
        "Accept": "image/jpeg, image/png, image/webp, image/*;q=0.8, */*;q=0.5",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    # Host and path are ASCII without blanks and line ends: `parse` has seen to it.
    lines = [f"GET {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    wire.sendall("\r\n".join(lines).encode("ascii"))
    return read_head(cast("BinaryIO", io.BufferedReader(_WireReader(wire), _CHUNK_BYTES)))


class _Wire:
    """A socket to ask and to be answered, with the deadline and a cap on bytes over every single read.

    A socket's own timeout starts anew with each byte, so a server that sends one now and then would hold us forever.
    The cap here, on the raw bytes, holds whatever a response does to the parsers above it.
    """

    def __init__(self, sock: socket.socket, deadline: _Deadline, policy: FetchPolicy) -> None:
        self._sock = sock
        self._deadline = deadline
        self._policy = policy
        self._left_bytes = policy.max_bytes + _FRAMING_BYTES

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left_s(self._policy.read_timeout_s))
        self._sock.sendall(data)

    def recv_into(self, buffer: "WriteableBuffer") -> int:
        self._sock.settimeout(self._deadline.left_s(self._policy.read_timeout_s))
        count = self._sock.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise _too_large(self._policy)
        return count


class _WireReader(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        super().__init__()
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        return self._wire.recv_into(buffer)


def _shown(url: str) -> str:
    """A URL for the log: no query, no user info, nothing at all if it is unclear where these would begin."""
    return "(not shown)" if "@" in url else _printable(re.split(r"[?#]", url, maxsplit=1)[0])


def _printable(found: object) -> str:
    """ASCII without control characters, so that a URL or a header cannot write lines of its own into the log."""
    return ascii(str(found))[1:-1][:500]
