"""A proxy in front of moto's S3 that does what moto cannot: refuse, stall, throttle, and let others be faster."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import unquote, urlsplit

UPLOADS = "cats-dogs-uploads"
RESULTS = "cats-dogs-results"

Fault = Callable[["Exchange"], bool]
"""Looks at a request, and returns whether it has answered it."""


class Exchange(BaseHTTPRequestHandler):
    """One request, answered by a fault or by moto."""

    protocol_version = "HTTP/1.1"
    request_body = b""

    @property
    def proxy(self) -> "Proxy":
        return cast("Proxy", self.server)

    @property
    def name(self) -> str:
        """As in "GET bucket/key", decoded and without the query."""
        return f"{self.command} {unquote(urlsplit(self.path).path)[1:]}"

    def do(self) -> None:
        self.request_body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("transfer-encoding") == "chunked" or "aws-chunked" in self.headers.get(
            "content-encoding", ""
        ):
            raise NotImplementedError("a chunked request")
        self.proxy.requests.append(self.name)
        for fault in self.proxy.faults:
            if fault(self):
                return
        self.forward()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do  # noqa: N815  (the base class looks for these names)

    def forward(self) -> None:
        with self.proxy.writing:  # moto reads and writes in two steps; S3's conditional write is one
            connection = http.client.HTTPConnection("127.0.0.1", self.proxy.moto_port, timeout=10)
            connection.request(self.command, self.path, self.request_body, dict(self.headers.items()))
            response = connection.getresponse()
            body = response.read()
            connection.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("date", "server", "connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it so)
        """Tests have enough to say."""


class Proxy(ThreadingHTTPServer):
    """Attributes:
    faults: asked in turn for each request.
    requests: what came, as "GET bucket/key".
    """

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, moto_port: int) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.moto_port = moto_port
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.writing = threading.Lock()
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def count(self, start: str) -> int:
        return sum(request.startswith(start) for request in self.requests)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that give up are what many tests are about."""


@contextmanager
def proxy_before(moto_port: int) -> Iterator[Proxy]:
    proxy = Proxy(moto_port)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stopping.set()
        proxy.shutdown()
        thread.join()
        proxy.socket.close()


def refuses(start: str, status: int, code: str, message: str = "", *, times: int = 1_000_000) -> Fault:
    """Answer the first `times` requests whose name begins like this with an error of S3."""
    left = iter(range(times))

    def fault(exchange: Exchange) -> bool:
        if not exchange.name.startswith(start) or next(left, None) is None:
            return False
        exchange.refuse(status, code, message or code)
        return True

    return fault


def stalls(start: str, promised: int = 0) -> Fault:
    """Send nothing, or only headers with the length `promised`, for as long as the proxy runs."""

    def fault(exchange: Exchange) -> bool:
        if not exchange.name.startswith(start):
            return False
        if promised:
            _start_object(exchange, ("content-length", str(promised)))
        exchange.proxy.stopping.wait(20)
        exchange.close_connection = True
        return True

    return fault


def breaks_off(start: str) -> Fault:
    """Promise more than is sent, and close the connection."""

    def fault(exchange: Exchange) -> bool:
        if not exchange.name.startswith(start):
            return False
        _start_object(exchange, ("content-length", "5000"))
        exchange.wfile.write(b"\xff\xd8\xff" + bytes(1000))
        exchange.close_connection = True
        return True

    return fault


def endless(start: str, sent: list[int]) -> Fault:
    """An object without a length, and without an end; `sent` counts its chunks."""

    def fault(exchange: Exchange) -> bool:
        if not exchange.name.startswith(start):
            return False
        _start_object(exchange, ("transfer-encoding", "chunked"))
        exchange.close_connection = True
        while not exchange.proxy.stopping.is_set():
            exchange.wfile.write(b"%x\r\n%s\r\n" % (10_000, bytes(10_000)))
            sent.append(10_000)
        return True

    return fault


def before(start: str, act: Callable[[], object], *, times: int = 1) -> Fault:
    """Let something happen before the first `times` requests whose name begins like this go on to moto."""
    left = iter(range(times))

    def fault(exchange: Exchange) -> bool:
        if exchange.name.startswith(start) and next(left, None) is not None:
            act()
        return False

    return fault


def _start_object(exchange: Exchange, length: tuple[str, str]) -> None:
    exchange.send_response(200)
    exchange.send_header(*length)
    exchange.send_header("etag", '"0123456789abcdef0123456789abcdef"')
    exchange.send_header("last-modified", "Thu, 16 Oct 2025 07:41:06 GMT")
    exchange.end_headers()
    exchange.wfile.flush()
