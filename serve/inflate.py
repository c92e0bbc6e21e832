"""Content-Encoding, of a request and of a fetched photo: gzip and deflate, up to a byte limit (RFC 9110, 8.4)."""

import zlib
from typing import Final

_MAX_MEMBERS: Final = 100  # of a gzip file; one in practice
_BLOCK_BYTES: Final = 65_536  # what follows a member in its last block is copied for the next
_GZIP_MAGIC: Final = b"\x1f\x8b"
_KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})
# Registered by IANA or sent by browsers, and nothing here undoes them.
_FOREIGN: Final = frozenset({"br", "compress", "dcb", "dcz", "x-bzip2", "x-compress", "zstd"})


class UnknownCodingError(ValueError):
    """The body has a content coding that nothing here undoes; the message names it."""


def coding_of(header: str) -> str:
    """The coding of a Content-Encoding header to undo; empty if there is none.

    Words that are no coding, such as "utf-8", "base64", "none" or S3's "aws-chunked", do not change a body: browsers
    ignore them too.

    Raises:
        UnknownCodingError: nothing here undoes it; or there are several, which multiply the work.
    """
    words = [word.strip().lower() for word in header.split(",")]
    if found := next((word for word in words if word in _FOREIGN), ""):
        raise UnknownCodingError(found)
    known = [word for word in words if word in _KNOWN]
    if known[1:]:
        raise UnknownCodingError(", ".join(known[:2]))
    return "".join(known)


def decoded(body: bytes | bytearray, coding: str, max_bytes: int) -> bytes:
    """The body without this coding, if it has one; at most `max_bytes` + 1 of it.

    Raises:
        ValueError: it does not match its coding, or ends early.
    """
    try:
        return inflated(body, coding, max_bytes) if coding else bytes(body)
    except zlib.error as error:
        raise ValueError(str(error)) from error


def inflated(data: bytes | bytearray, coding: str, max_bytes: int) -> bytes:
    """The decompressed body, or the first `max_bytes` + 1 of it.

    Args:
        coding: gzip, x-gzip or deflate; the last may lack its zlib header, as some servers send it.

    Raises:
        ValueError, zlib.error: it does not match its coding, or ends early. A checksum that is missing at the end is
            no error, as for browsers: no byte of the body is.
    """
    raw = coding == "deflate" and not _has_zlib_header(data)
    found, left = bytearray(), memoryview(data)
    for _ in range(_MAX_MEMBERS):
        inflater = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS + 32)  # 32: gzip or zlib
        start = len(found)
        while left and not inflater.eof and len(found) <= max_bytes:
            found += inflater.decompress(left[:_BLOCK_BYTES], max_bytes + 1 - len(found))
            left = left[min(_BLOCK_BYTES, len(left)) - len(inflater.unused_data) :]
            if len(data) - len(left) > 2 * len(found) + _BLOCK_BYTES:  # empty blocks, which take long
                raise ValueError("the compressed body is larger than its content")
        if len(found) > max_bytes or (inflater.eof and bytes(left[: len(_GZIP_MAGIC)]) != _GZIP_MAGIC):
            return bytes(found)
        if not inflater.eof:
            if _lacks_its_checksum(inflater, bytes(found[start:])):
                return bytes(found)
            raise ValueError("the compressed body ends early")
    raise ValueError("the compressed body has too many members")


def _has_zlib_header(data: bytes | bytearray) -> bool:
    """RFC 1950, 2.2."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _lacks_its_checksum(inflater: "zlib._Decompress", content: bytes) -> bool:
    """Whether all that a stream lacks is a part of its trailer: RFC 1952, 2.3.1, and RFC 1950, 2.2.

    The trailer that fits the content is offered from each of its bytes on. The stream ends with it only where its last
    block has ended.
    """
    gzip = zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")
    for trailer in (gzip, zlib.adler32(content).to_bytes(4, "big")):
        for start in range(len(trailer)):
            offered = inflater.copy()
            try:
                offered.decompress(trailer[start:])
            except zlib.error:
                continue
            if offered.eof and not offered.unused_data:
                return True
    return False
