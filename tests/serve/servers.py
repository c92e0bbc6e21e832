"""Servers on loopback that misbehave, and a small Internet on which public-looking names lead to them."""

import gzip
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PHOTO = b"\xff\xd8\xff" + bytes(range(256)) * 40
PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

Answer = Callable[["Server", socket.socket], None]


class Server:
    """Accepts connections on loopback, keeps each request as it came, and lets `answer` do what it likes."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls
        self.requests: list[str] = []
        self.sni: list[str | None] = []
        self.accepted = 0
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._talking: list[socket.socket] = []
        if tls:
            tls.sni_callback = lambda _sock, name, _context: self.sni.append(name)
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _peer = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._talking.append(sock)
            thread = threading.Thread(target=self._talk, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(5)
        with sock:
            try:
                with self.tls.wrap_socket(sock, server_side=True) if self.tls else sock as talking:
                    self.requests.append(_head(talking))
                    self.answer(self, talking)
            except OSError:
                return  # the client has gone: most tests are about clients that do

    def stop(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._talking:
            with suppress(OSError):  # one that is closed already
                sock.shutdown(socket.SHUT_RD)  # ends the wait for a client's next request
        for thread in self._threads:
            thread.join(10)


def _head(sock: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        received = sock.recv(65_536)
        head += received
        if not received or head.startswith(b"\x16"):  # the client has gone, or speaks TLS
            break
    return head.decode("latin-1")


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answer, tls)
    try:
        yield server
    finally:
        server.stop()


def head(status: str = "200 OK", /, **headers: str | int) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def sends(*parts: bytes) -> Answer:
    """Send, then close in good order."""

    def answer(_server: Server, sock: socket.socket) -> None:
        sock.sendall(b"".join(parts))
        if isinstance(sock, ssl.SSLSocket):
            sock.unwrap()

    return answer


def photo(body: bytes = PHOTO, **headers: str | int) -> Answer:
    return sends(head("200 OK", Content_Length=len(body), **headers), body)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", **headers: str | int) -> Answer:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return sends(head("200 OK", Transfer_Encoding="chunked", **headers), framed, end)


def redirect(location: str, status: str = "302 Found") -> Answer:
    return sends(head(status, Location=location, Content_Length=0))


def drips(start: bytes, drop: bytes) -> Answer:
    """Begin well, then go on a little at a time, for as long as anyone listens."""

    def answer(server: Server, sock: socket.socket) -> None:
        sock.sendall(start)
        while not server.stopping.wait(0.02):
            sock.sendall(drop)

    return answer


def floods(start: bytes, wave: bytes) -> Answer:
    """Begin well, then never end, as fast as it goes."""

    def answer(server: Server, sock: socket.socket) -> None:
        sock.sendall(start)
        while not server.stopping.is_set():
            sock.sendall(wave)

    return answer


def resets(start: bytes) -> Answer:
    """Begin, then drop the connection with RST."""

    def answer(_server: Server, sock: socket.socket) -> None:
        sock.sendall(start)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def silent(server: Server, _sock: socket.socket) -> None:
    server.stopping.wait(10)


def by_path(answers: Mapping[str, Answer]) -> Answer:
    def answer(server: Server, sock: socket.socket) -> None:
        answers[server.requests[-1].split(" ")[1]](server, sock)

    return answer


def gzip_bomb(megabytes: int) -> bytes:
    return gzip.compress(bytes(megabytes * 1_000_000), 9)


@dataclass
class Internet:
    """A resolver and a dialler for a `Fetcher`: names have the addresses given here, addresses lead to `port`.

    The fetcher's own check of addresses stands between the two, as it does in production.
    """

    port: int
    names: dict[str, Sequence[str]] = field(default_factory=dict)
    dead: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host in self.names:
            return self.names[host]
        # What is no name is an address, in any of the spellings that the C library takes; and no name is looked up.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [str(entry[4][0]) for entry in found]

    def dial(self, address: str, port: int, timeout_s: float) -> socket.socket:
        self.dialled.append((address, port))
        if address in self.dead:
            raise ConnectionRefusedError(111, f"{address} refused")
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)
