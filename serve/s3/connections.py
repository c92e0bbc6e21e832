"""Connections to S3, kept open from one request to the next."""

import os
import select
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from pathlib import Path

import botocore
from botocore.exceptions import EndpointConnectionError, HTTPClientError, ReadTimeoutError, SSLError


class Connections:
    """For all threads of a process.

    Args:
        timeouts_s: to connect, and of silence.
        most: that stay open to one host while nobody uses them.
        is_secure: whether the servers speak TLS.
    """

    def __init__(self, *, timeouts_s: tuple[float, float], most: int, is_secure: bool) -> None:
        self._timeouts_s, self._most, self._is_secure = timeouts_s, most, is_secure
        self._idle: dict[str, list[HTTPConnection]] = {}

    def request(self, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes) -> "Answer":
        """Send a request, and read the head of its answer.

        Args:
            host: with a port if that is not the usual one.
            target: path and query, percent-encoded.

        Raises:
            EndpointConnectionError, SSLError: no connection, or no valid certificate.
            HTTPClientError: no answer, or not in time.
        """
        idle = self._idle.setdefault(host, [])
        connection = _open_one(idle) or self._new(host)
        try:
            with _translated(host):
                connection.request(method, target, body or None, dict(headers))
                return Answer(connection.getresponse(), connection, idle, self._most)
        except HTTPClientError:
            connection.close()
            raise

    def close(self) -> None:
        """Close the idle ones."""
        for idle in self._idle.values():
            while connection := _popped(idle):
                connection.close()

    def _new(self, host: str) -> HTTPConnection:
        connect_s, silence_s = self._timeouts_s
        connection = (
            HTTPSConnection(host, timeout=connect_s, context=self._tls)
            if self._is_secure
            else HTTPConnection(host, timeout=connect_s)
        )
        try:
            connection.connect()
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=host, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=host, error=error) from error
        connection.sock.settimeout(silence_s)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Trusts the same authorities as botocore's client."""
        own = os.environ.get("AWS_CA_BUNDLE")
        return ssl.create_default_context(cafile=own or Path(botocore.__file__).with_name("cacert.pem"))


class Answer:
    """An answer whose body is still to be read.

    Attributes:
        status: HTTP's.
        headers: their names are case-insensitive.
    """

    def __init__(
        self, response: HTTPResponse, connection: HTTPConnection, idle: list[HTTPConnection], most_idle: int
    ) -> None:
        self._response, self._connection = response, connection
        self._idle, self._most_idle = idle, most_idle
        self._has_left = False
        self.status = response.status
        self.headers = response.headers

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes of the body, or all that are left; empty at its end.

        The end of the body frees the connection for another request.

        Raises:
            HTTPClientError: the body ends early, or nothing came in time.
        """
        try:
            with _translated(self._connection.host):
                data = self._response.read(amt)
                if amt and not data and self._response.length:
                    raise IncompleteRead(b"", self._response.length)
        except HTTPClientError:
            self.close()
            raise
        if self._response.isclosed():
            self._leave(keep=not self._response.will_close)
        return data

    def close(self) -> None:
        """Close the connection, unless the body has been read to its end."""
        self._response.close()
        self._leave(keep=False)

    def _leave(self, *, keep: bool) -> None:
        if self._has_left:
            return
        self._has_left = True
        if keep and len(self._idle) < self._most_idle:
            self._idle.append(self._connection)
        else:
            self._connection.close()


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """The errors of sockets and of `http.client` as botocore's."""
    try:
        yield
    except TimeoutError as error:
        raise ReadTimeoutError(endpoint_url=host, error=error) from error
    except (OSError, HTTPException) as error:
        raise HTTPClientError(error=repr(error)) from error


def _open_one(idle: list[HTTPConnection]) -> HTTPConnection | None:
    """One that the server has not closed meanwhile: then there would be something to read, the end."""
    while connection := _popped(idle):
        if not select.select([connection.sock], [], [], 0)[0]:
            return connection
        connection.close()
    return None


def _popped(idle: list[HTTPConnection]) -> HTTPConnection | None:
    try:
        return idle.pop()
    except IndexError:  # other threads pop too
        return None
