"""PNG (W3C PNG specification): its chunks, and how many bytes its pixels inflate to."""

import zlib
from typing import Final

from serve.model.formats import MAX_PARTS, MAX_PROFILE_BYTES, Parts, broken, too_many_parts

_SIGNATURE: Final = 8  # bytes
_FRAME: Final = 12  # bytes of a chunk beside its content: length, type, checksum
_NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_INTERLACED: Final = 2  # times as much work: seven passes, each pixel put in its place


def parts(data: bytes) -> Parts:
    """The chunks that make pixels; EXIF and the color profile apart. What follows the pixels is not looked at.

    Raises:
        UndecodableImageError: the chunks are broken or too many.
    """
    kept, exif, profile = [data[:_SIGNATURE]], b"", None
    position, in_pixels = _SIGNATURE, False
    for _ in range(MAX_PARTS):
        is_cut = in_pixels and position == len(data)  # only the end is missing
        kind, start, end = (b"IEND", 0, 0) if is_cut else _chunk(data, position)
        if kind == b"IEND" or (in_pixels and kind != b"IDAT"):
            kept.append(_end())
            return Parts(b"".join(kept), exif, profile or b"", _inflated(kept[1] if len(kept) > 2 else b""))
        in_pixels = kind == b"IDAT"
        if kind == b"IHDR" and kept[1:]:  # decoders would take the last one
            raise broken("PNG")
        if kind in _NEEDED:
            kept.append(data[position : end + 4])
        elif kind == b"eXIf":
            exif = data[start:end]
        elif kind == b"iCCP" and profile is None:
            profile = _profile(data[start:end])
        position = end + 4
    raise too_many_parts()


def key(data: bytes) -> tuple[int, tuple[int, ...]] | None:
    """The bit depth, and the samples of the color that stands for transparency; None: there is no such color."""
    found, position = None, _SIGNATURE
    depth, color_type = data[24], data[25]
    while data[position + 4 : position + 8] not in (b"IDAT", b""):
        kind, start, end = _chunk(data, position)
        if kind == b"tRNS" and color_type in (0, 2) and end - start == 2 * _CHANNELS[color_type]:
            samples = (int.from_bytes(data[place : place + 2], "big") for place in range(start, end, 2))
            found = depth, tuple(sample & ((1 << depth) - 1) for sample in samples)
        position = end + 4
    return found


def _chunk(data: bytes, position: int) -> tuple[bytes, int, int]:
    """A chunk's type, and where its content starts and ends."""
    start = position + 8
    end = start + int.from_bytes(data[position : position + 4], "big")
    if start > len(data) or end + 4 > len(data):
        raise broken("PNG")
    return data[position + 4 : start], start, end


def _end() -> bytes:
    return bytes(4) + b"IEND" + zlib.crc32(b"IEND").to_bytes(4, "big")


def _profile(content: bytes) -> bytes:
    """The ICC profile in an iCCP chunk: a name, a zero, the method, which is zlib's, and the profile."""
    compressed = content.partition(b"\0")[2][1:MAX_PROFILE_BYTES]
    try:
        inflate = zlib.decompressobj()
        profile = inflate.decompress(compressed, MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if inflate.eof else b""


def _inflated(header: bytes) -> int:
    """How many bytes the pixels inflate to, from the IHDR chunk; interlaced ones count for more."""
    if header[4:8] != b"IHDR" or len(header) != _FRAME + 13 or header[17] not in _CHANNELS:
        raise broken("PNG")
    width, height = int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")
    row = 1 + -(-width * header[16] * _CHANNELS[header[17]] // 8)
    return height * row * (_INTERLACED if header[20] else 1)
