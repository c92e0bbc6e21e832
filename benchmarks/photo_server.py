"""A server of one photo on loopback."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from http import HTTPStatus


class _PhotoServer(http.server.BaseHTTPRequestHandler):
    """/photo gives a photo, /missing nothing, /short less than it says, /there leads to /photo."""

    photo = b""

    def do_GET(self) -> None:
        """Answer by the path."""
        known = {"/photo": HTTPStatus.OK, "/short": HTTPStatus.OK, "/there": HTTPStatus.FOUND}
        self.send_response(known.get(self.path, HTTPStatus.NOT_FOUND))
        if self.path == "/there":
            self.send_header("Location", "/photo")
        if self.path in ("/photo", "/short"):
            self.send_header("Content-Length", str(len(self.photo) + (self.path == "/short")))
        self.end_headers()
        if self.path in ("/photo", "/short"):
            self.wfile.write(self.photo)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (as in the base class)
        """Say nothing."""


@contextlib.contextmanager
def photo_server(photo: bytes) -> Iterator[str]:
    """A server on loopback; yields its base URL."""
    handler = type("Server", (_PhotoServer,), {"photo": photo})
    # One request after the other, in one thread, so that threads can be counted.
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
