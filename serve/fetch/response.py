"""The answer of an HTTP/1 server, read from a stream that carries nothing after it (RFC 9112).

`http.client`, and urllib3 upon it, read headers as e-mail: loading that package takes longer than the request. Like
browsers, this reader passes over what costs nothing: a header line without a colon, a folded line, blanks around names
and values. It refuses what would leave a doubt about where the body ends or where a redirect leads.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

_CHUNK_BYTES: Final = 65_536
_MAX_LINE_BYTES: Final = 65_536
_MAX_LINES: Final = 256
_MAX_FIELDS_BYTES: Final = 262_144  # of all header lines of an answer, as in Chrome
_MAX_INTERIM: Final = 100  # answers before the answer
_MAX_CHUNKS: Final = 100_000  # servers send some thousand bytes in each
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
_STATUS_LINE: Final = re.compile(r"HTTP/1\.[01][ \t]+([0-9]{3})([ \t].*)?")


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
            ValueError: the framing is broken or contradicts itself, or the body ends early.
        """
        # "identity" is the absence of a coding, and "chunked" said twice is still chunked once (RFC 9112, 7).
        codings = {coding.strip().lower() for coding in self.headers.get("transfer-encoding", "").split(",")}
        codings -= {"", "identity"}
        lengths = {length.strip() for length in self.headers.get("content-length", "").split(",")} - {""}
        if codings:
            if codings != {"chunked"}:
                raise ValueError(f"Transfer-Encoding: {sorted(codings)}")
            return _chunked(self.stream)
        if not lengths:
            return iter(lambda: self.stream.read(_CHUNK_BYTES), b"")
        if len(lengths) > 1:
            raise ValueError(f"Content-Length: {sorted(lengths)}")
        return _exactly(self.stream, _number(lengths.pop()))


def read_head(stream: BinaryIO) -> HttpResponse:
    """The answer up to its body; interim answers (1xx) are skipped.

    Raises:
        ValueError: it is not HTTP/1, ends early, has too long a line or too many, a NUL, or two values of Location,
            switches to another protocol, or follows too many interim answers.
    """
    for _ in range(_MAX_INTERIM + 1):
        status, fields = _status(_line(stream)), _fields(stream)
        if status == 101:
            raise ValueError("a switch to another protocol, which nobody asked for")
        if status >= 200:
            return HttpResponse(status, fields, stream)
    raise ValueError("too many interim answers")


def _line(stream: BinaryIO) -> str:
    line = stream.readline(_MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise ValueError("a line without an end")
    if b"\0" in line:
        raise ValueError("a line with a NUL")
    return line.rstrip(b"\r\n").decode("latin-1")


def _status(line: str) -> int:
    matched = _STATUS_LINE.fullmatch(line)
    if not matched:
        raise ValueError("not an HTTP/1 status line")
    return _number(matched[1])


def _fields(stream: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    name, left = "", _MAX_FIELDS_BYTES
    for _ in range(_MAX_LINES + 1):
        line = _line(stream)
        if not line:
            return fields
        left -= len(line)
        if left < 0:
            break
        if line[0] in " \t":  # folded: it goes on with the value before it (RFC 9112, 5.2)
            if name:
                fields[name] = f"{fields[name]} {line.strip()}".strip()
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip().lower() if colon else "", value.strip()
        if name:
            fields[name] = _joined(name, fields.get(name), value)
    raise ValueError("too many header lines")


def _joined(name: str, before: str | None, value: str) -> str:
    if before is None or (name == "location" and value == before):
        return value
    if name == "location":  # not a list: joined, it would lead to a third place
        raise ValueError("two values of Location")
    return f"{before}, {value}"


def _chunked(stream: BinaryIO) -> Iterator[bytes]:
    """RFC 9112, 7.1."""
    for _ in range(_MAX_CHUNKS):
        size = _chunk_size(_line(stream))
        if not size:
            _fields(stream)
            return
        yield from _exactly(stream, size)
        if _line(stream):
            raise ValueError("a chunk without an end")
    raise ValueError("too many chunks")


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
