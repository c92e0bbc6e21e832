"""WebP (RFC 9649): its chunks."""

from collections.abc import Iterator
from typing import Final

from serve.model.formats import MAX_PARTS, MAX_PROFILE_BYTES, Parts, broken, too_many_parts, vp8l

_HEADER: Final = 12  # bytes of RIFF, the length and WEBP
_STILL: Final = frozenset({b"VP8 ", b"VP8L"})
_PICTURES: Final = _STILL | {b"ANMF"}
# Flags of VP8X: ICC profile, EXIF, XMP.
_METADATA_FLAGS: Final = 0x20 | 0x08 | 0x04
_FRAME_HEADER: Final = 16  # bytes of ANMF before its chunks
_LOSSLESS_ALPHA: Final = 1
_WITH_ALPHA: Final = 2.25  # the work of a pixel


def parts(data: bytes) -> Parts:
    """The picture, or the first frame of an animation; EXIF and the color profile apart.

    Raises:
        UndecodableImageError: the chunks are broken or too many, or a lossless picture has too many prefix codes.
    """
    found = _first(data, _HEADER, 8 + int.from_bytes(data[4:8], "little"), _PICTURES)
    picture = found.get(b"picture", b"")
    work = _checked(picture[:4], picture[4:], found.get(b"ALPH", b"")[4:])
    kept = [found[kind] for kind in (b"VP8X", b"ANIM", b"ALPH", b"picture") if kind in found]
    if kept and kept[0].startswith(b"VP8X") and len(kept[0]) > 4:
        kept[0] = kept[0][:4] + bytes([kept[0][4] & ~_METADATA_FLAGS]) + kept[0][5:]
    body = b"WEBP" + b"".join(map(_framed, kept))
    profile = found.get(b"ICCP", b"")[4:]
    return Parts(
        b"RIFF" + len(body).to_bytes(4, "little") + body,
        found.get(b"EXIF", b"")[4:].removeprefix(b"Exif\0\0"),
        profile if len(profile) <= MAX_PROFILE_BYTES else b"",
        work,
    )


def _checked(kind: bytes, content: bytes, alpha: bytes) -> int:
    """The work of a lossy picture with lossless alpha, which is decoded twice; 0: as many as there are pixels.

    Args:
        kind, content: of the chunk.
        alpha: the content of the ALPH chunk before it.

    Raises:
        UndecodableImageError: it has more groups of prefix codes than an encoder writes.
    """
    if kind == b"ANMF":  # decoders take the first picture of a frame, and the first alpha
        found = _first(content, _FRAME_HEADER, len(content), _STILL)
        picture, alpha = found.get(b"picture", b""), found.get(b"ALPH", b"")[4:]
        kind, content = picture[:4], picture[4:]
    if kind == b"VP8L":
        size = int.from_bytes(content[1:5], "little")
        _count(vp8l.Reader(content, 40), (size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1)
    elif kind == b"VP8 " and alpha and alpha[0] & 3 == _LOSSLESS_ALPHA:
        width, height = (int.from_bytes(content[place : place + 2], "little") & 0x3FFF for place in (6, 8))
        _count(vp8l.Reader(alpha, 8), max(1, width), max(1, height))
        return round(_WITH_ALPHA * width * height)
    return 0


def _count(reader: vp8l.Reader, width: int, height: int) -> None:
    if reader.groups(width, height) > vp8l.MAX_GROUPS:
        raise too_many_parts()


def _first(data: bytes, position: int, end: int, pictures: frozenset[bytes]) -> dict[bytes, bytes]:
    """The first chunk of each type between two places, type and content; one of several types is the picture."""
    found: dict[bytes, bytes] = {}
    for kind, content in _chunks(data, position, end):
        found.setdefault(b"picture" if kind in pictures else kind, kind + content)
    return found


def _chunks(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The types and contents of the chunks between two places."""
    for _ in range(MAX_PARTS):
        if position >= end:
            return
        start = position + 8
        following = start + int.from_bytes(data[position + 4 : start], "little")
        if following > len(data):
            raise broken("WEBP")
        yield data[position : position + 4], data[start:following]
        position = following + (following & 1)
    raise too_many_parts()


def _framed(chunk: bytes) -> bytes:
    """A type and a content as a chunk."""
    return chunk[:4] + (len(chunk) - 4).to_bytes(4, "little") + chunk[4:] + bytes(len(chunk) & 1)
