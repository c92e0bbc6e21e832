"""The answer of an HTTP/1 server, read from a stream that carries nothing after it (RFC 9112).

`http.client`, and urllib3 upon it, read headers as e-mail: loading that package takes longer than the request. This
parser is stricter than both: it guesses nothing.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_CHUNK_BYTES: Final = 65_536
_MAX_LINE_BYTES: Final = 65_536
_MAX_FIELDS: Final = 100
_MAX_GZIP_MEMBERS: Final = 100  # one in practice; what follows a member is copied for the next
_GZIP_MAGIC: Final = b"\x1f\x8b"
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")

ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
"""The content codings that `inflated` knows: RFC 9110, 8.4.1."""


class HttpResponse(NamedTuple):
    """Status and headers; the body is still in the stream.

    Attributes:
        headers: names in lower case; a repeated one has its values joined by ", " (RFC 9110, 5.3). Their bytes are
            read as Latin-1.
    """

    status: int
    headers: dict[str, str]
    stream: BinaryIO

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece, without its framing and still compressed: RFC 9112, 6.3.

        Raises:
            ValueError: the framing is broken, or the body ends early.
        """
        coding = self.headers.get("transfer-encoding")
        lengths = {length.strip() for length in self.headers.get("content-length", "").split(",")} - {""}
        if coding is not None:
            if coding.lower() != "chunked":
                raise ValueError(f"Transfer-Encoding: {coding}")
            return _chunked(self.stream)
        if not lengths:
            return iter(lambda: self.stream.read(_CHUNK_BYTES), b"")
        if len(lengths) > 1:
            raise ValueError(f"Content-Length: {sorted(lengths)}")
        return _exactly(self.stream, _number(lengths.pop()))


def read_head(stream: BinaryIO) -> HttpResponse:
    """The answer up to its body; interim answers (1xx) are skipped.

    Raises:
        ValueError: it is not HTTP/1, ends early, or has too long a line or too many.
    """
    while True:
        status, fields = _status(_line(stream)), _fields(stream)
        if status >= 200:
            return HttpResponse(status, fields, stream)


def inflated(data: bytes | bytearray, encoding: str, max_bytes: int) -> bytes:
    """The decompressed body, or the first `max_bytes` + 1 of it.

    Args:
        encoding: gzip, x-gzip or deflate; the last may lack its zlib header, as some servers send it.

    Raises:
        ValueError, zlib.error: it does not match its encoding, or ends early.
    """
    raw = encoding == "deflate" and not _has_zlib_header(data)
    found = b""
    for _ in range(_MAX_GZIP_MEMBERS):
        inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS + 32)  # 32: gzip or zlib
        found += inflater.decompress(data, max_bytes + 1 - len(found))
        data = inflater.unused_data
        if len(found) > max_bytes or (inflater.eof and not data.startswith(_GZIP_MAGIC)):
            return found
        if not inflater.eof:
            raise ValueError("the compressed body ends early")
    raise ValueError("the compressed body has too many members")


def _has_zlib_header(data: bytes | bytearray) -> bool:
    """RFC 1950, 2.2."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _line(stream: BinaryIO) -> str:
    line = stream.readline(_MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise ValueError("a line without an end")
    return line.rstrip(b"\r\n").decode("latin-1")


def _status(line: str) -> int:
    version, _, rest = line.partition(" ")
    code = rest.partition(" ")[0]
    if version not in ("HTTP/1.0", "HTTP/1.1") or len(code) != 3:
        raise ValueError("not an HTTP/1 status line")
    return _number(code)


def _fields(stream: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(_MAX_FIELDS + 1):
        line = _line(stream)
        if not line:
            return fields
        name, colon, value = line.partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    raise ValueError("too many headers")


def _chunked(stream: BinaryIO) -> Iterator[bytes]:
    """RFC 9112, 7.1."""
    while size := _chunk_size(_line(stream)):
        yield from _exactly(stream, size)
        if _line(stream):
            raise ValueError("a chunk without an end")
    _fields(stream)


def _chunk_size(line: str) -> int:
    digits = line.partition(";")[0].strip()
    if not digits or not _HEX_DIGITS.issuperset(digits):
        raise ValueError("a chunk without a size")
    return int(digits, 16)


def _exactly(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        piece = stream.read(min(size, _CHUNK_BYTES))
        if not piece:
            raise ValueError("the body ends early")
        size -= len(piece)
        yield piece


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("not a number")
    return int(digits)
