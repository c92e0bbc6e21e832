"""A URL from a stranger -> the bytes behind it. The URL must not become the stranger's way into our network (SSRF).

The first hop and every redirect go the same way: parse strictly, resolve once, refuse unless every address is public,
connect to one of these same addresses, and read under one deadline and one byte limit. The check is on resolved
addresses, so no spelling of a URL and no second answer from DNS can get around it.

The client learns only that a URL was refused or failed. What was found behind it is in `ProblemError.found`, for the
log: of a URL, no more than scheme and host.
"""

import io
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, cast
from urllib.parse import quote, urljoin

from serve import VERSION
from serve.errors import FetchFailedError, FetchTimeoutError, UnsupportedImageTypeError, UrlRefusedError
from serve.fetch.addresses import Address, Network, is_public
from serve.fetch.response import HttpResponse, read_head
from serve.fetch.url import MALFORMED, MAX_LOCATION_LENGTH, URL_SAFE, Target, parse
from serve.fetch.wire import Deadline, Dial, Resolver, Wire, resolved, system_dial, system_resolve, too_large
from serve.inflate import coding_of, decoded

if TYPE_CHECKING:  # at run time the first https URL loads it: others do not pay
    import ssl

USER_AGENT: Final = f"photo-classifier-lambda/{VERSION}"
"""Says what asks, and with a contact who: Wikimedia's User-Agent policy, foundation.wikimedia.org."""

MAX_REDIRECTS: Final = 5

_FOUND: Final = frozenset({200, 203})  # 203: a proxy on the way has changed the answer (RFC 9110, 15.3.4)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})  # RFC 9110, 15.4
_CHUNK_BYTES: Final = 65_536

# How browsers tell HTML by its first bytes: WHATWG MIME Sniffing, 7.1. A share link answers with it.
_PAGE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--|<(?:!doctype html|html|head|body|script|title|meta)[\s>])", re.IGNORECASE
)

_IS_PAGE: Final = "The URL leads to a web page, not to an image. Send the address of the image itself."
_REFUSED: Final = "The service does not fetch from this URL's host. Send another URL, or the image itself."
_FAILED: Final = "The server behind the URL did not answer with the image. Check the URL, or send the image itself."
_TOO_SLOW: Final = "The server behind the URL was too slow. Try again, or send the image itself."


class FetchPolicy(NamedTuple):
    """What may be fetched. `serve.settings` has the defaults.

    Attributes:
        enabled: whether anything is.
        allowed_hosts: if not empty, only these hosts, redirects included: ASCII (IDNA), lower case, no trailing dot.
            An entry with a leading dot, ".example.org", stands for all sub-domains. Their addresses must be public too.
        allowed_ports: only these.
        allowed_networks: networks that may be reached although they are not public. Anyone who can send a URL can then
            reach every web server in them: for photos on a private network, and for tests on one machine.
        max_bytes: of one photo, decompressed.
        timeout_s: for one URL, in seconds, from the DNS question to the last byte, redirects included.
        contact: an address of the people who run the service, for the User-Agent.
        connect_timeout_s: for one attempt at one address, in seconds; then the next address is tried.
        read_timeout_s: of silence, in seconds.
    """

    enabled: bool
    allowed_hosts: frozenset[str]
    allowed_ports: frozenset[int]
    allowed_networks: frozenset[Network]
    max_bytes: int
    timeout_s: float
    contact: str = ""
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 4.0


class Fetcher:
    """Fetches photos from URLs within a policy. Keeps no state between fetches: no cookies, no connections.

    Args:
        policy: what may be fetched.
        resolve, dial: how names become addresses, and addresses connections. The check of every address stands between
            the two and cannot be replaced.
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
        """The body behind a URL, decompressed. The only check of it: it is not empty, and no web page.

        Args:
            url: as the client sent it.
            timeout_s: seconds that are left; the policy's limit counts if that is smaller.

        Raises:
            MalformedRequestError: the text is not a URL.
            UrlRefusedError: it, or a redirect, leads to where the policy does not go.
            FetchFailedError: no such host, no connection, no valid certificate, no 200 or 203, or not the whole
                body.
            FetchTimeoutError: time ran out.
            ImageTooLargeError: more than `policy.max_bytes`.
            UnsupportedImageTypeError: the URL leads to a web page, or to nothing.
        """
        if not self._policy.enabled:
            raise UrlRefusedError("This service does not fetch from URLs. Send the image itself.")
        limit = self._policy.timeout_s if timeout_s is None else min(self._policy.timeout_s, timeout_s)
        body = self._follow(parse(url), Deadline(limit))
        if not body:
            raise UnsupportedImageTypeError("The URL leads to an empty file. Send the address of an image.")
        if _PAGE.match(body):
            raise UnsupportedImageTypeError(_IS_PAGE)
        return body

    def _follow(self, target: Target, deadline: Deadline) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            with self._answered(target, deadline) as response:
                if response.status not in _REDIRECTS:
                    return self._body(target, response)
                location = response.headers.get("location")
            target = _redirected(target, location)
        raise FetchFailedError(_FAILED, found=f"{target}: more than {MAX_REDIRECTS} redirects")

    @contextmanager
    def _answered(self, target: Target, deadline: Deadline) -> Iterator[HttpResponse]:
        """The answer to a GET, its body not read yet. Inside the block too, errors become problems."""
        try:
            with ExitStack() as stack:
                sock = stack.enter_context(self._connected(target, deadline))
                if target.scheme == "https":
                    sock = stack.enter_context(self._secured(sock, target, deadline))
                wire = Wire(sock, deadline, self._policy.read_timeout_s, self._policy.max_bytes)
                yield _requested(target, wire, self._policy.contact)
        except TimeoutError as error:
            raise FetchTimeoutError(_TOO_SLOW, found=f"{target}: {error!r}") from error
        except (OSError, ValueError) as error:
            raise FetchFailedError(_FAILED, found=f"{target}: {error!r}") from error

    def _connected(self, target: Target, deadline: Deadline) -> socket.socket:
        failure = OSError("no address")
        for address in self._checked_addresses(target, deadline):
            try:
                return self._dial(str(address), target.port, deadline.left_s(self._policy.connect_timeout_s))
            except OSError as error:
                failure = error
        raise failure

    def _checked_addresses(self, target: Target, deadline: Deadline) -> list[Address]:
        """The addresses of the host. All of them must be allowed: one that is not refuses the host."""
        if target.port not in self._policy.allowed_ports or not self._is_allowed_host(target.host):
            raise UrlRefusedError(_REFUSED, found=f"{target}: host or port not allowed")
        addresses = [ip_address(text) for text in resolved(self._resolve, target.host, target.port, deadline)]
        if not all(map(self._is_allowed, addresses)):
            raise UrlRefusedError(_REFUSED, found=f"{target}: resolves to {', '.join(map(str, addresses))}")
        return addresses

    def _is_allowed_host(self, host: str) -> bool:
        allowed = self._policy.allowed_hosts
        return not allowed or any(host == entry or (entry[:1] == "." and host.endswith(entry)) for entry in allowed)

    def _is_allowed(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self._policy.allowed_networks)

    @cached_property
    def _tls(self) -> "ssl.SSLContext":
        import ssl

        return ssl.create_default_context(cafile=self._ca_file)

    def _secured(self, sock: socket.socket, target: Target, deadline: Deadline) -> "ssl.SSLSocket":
        """TLS with the host that the URL names, whatever the address: in SNI, and in the certificate."""
        sock.settimeout(deadline.left_s(self._policy.read_timeout_s))  # limits the whole handshake
        # A connection that someone in between cuts must not look like the end of the body.
        return self._tls.wrap_socket(sock, server_hostname=target.host, suppress_ragged_eofs=False)

    def _body(self, target: Target, response: HttpResponse) -> bytes:
        if response.status not in _FOUND:
            # Behind an allowed private network, even the status is the network's secret.
            status = "" if self._policy.allowed_networks else f" Its status was {response.status}."
            raise FetchFailedError(_FAILED + status, found=f"{target}: status {response.status}")
        max_bytes = self._policy.max_bytes
        coding = coding_of(response.headers.get("content-encoding", ""))
        body = bytearray()
        for chunk in response.chunks():
            body += chunk
            if not coding and len(body) > max_bytes:  # `Wire` limits what is still compressed
                raise too_large(max_bytes)
        plain = decoded(body, coding, max_bytes)
        if len(plain) > max_bytes:
            raise too_large(max_bytes)
        return plain


def _redirected(previous: Target, location: str | None) -> Target:
    """Where a redirect leads, relative or not."""
    if not location:
        raise FetchFailedError(_FAILED, found=f"{previous}: a redirect without Location")
    try:
        # Headers are read as Latin-1; servers write UTF-8. As bytes it does not matter.
        target = parse(urljoin(previous.url, quote(location.encode("latin-1"), safe=URL_SAFE)), MAX_LOCATION_LENGTH)
    except ValueError:
        raise UrlRefusedError(MALFORMED, found=f"{previous}: redirects to no URL") from None
    if previous.scheme == "https" and target.scheme == "http":
        raise UrlRefusedError("The URL redirects from https to http.", found=f"{previous}: redirects to {target}")
    return target


def _requested(target: Target, wire: Wire, contact: str) -> HttpResponse:
    headers = {
        "Host": target.authority,
        "User-Agent": f"{USER_AGENT} ({contact or 'image classifier'})",
        "Accept": "image/jpeg, image/png, image/webp, image/*;q=0.8, */*;q=0.5",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    # `parse` guarantees that host and path are ASCII without blanks and line ends.
    lines = [f"GET {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    wire.sendall("\r\n".join(lines).encode("ascii"))
    return read_head(cast("BinaryIO", io.BufferedReader(wire, _CHUNK_BYTES)))
