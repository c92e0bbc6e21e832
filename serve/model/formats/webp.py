"""WebP (RFC 9649): its chunks."""

from typing import Final

from serve.model.formats import MAX_PARTS, MAX_PROFILE_BYTES, Parts, broken, too_many_parts

_HEADER: Final = 12  # bytes of RIFF, the length and WEBP
_PICTURES: Final = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
# Flags of VP8X: ICC profile, EXIF, XMP.
_METADATA_FLAGS: Final = 0x20 | 0x08 | 0x04


def parts(data: bytes) -> Parts:
    """The picture, or the first frame of an animation; EXIF and the color profile apart.

    Raises:
        UndecodableImageError: the chunks are broken or too many.
    """
    kept, exif, profile, pictures = [], b"", b"", 0
    position, end = _HEADER, 8 + int.from_bytes(data[4:8], "little")
    for _ in range(MAX_PARTS):
        if position >= end:
            break
        kind, content, following = _chunk(data, position)
        if kind == b"EXIF":
            exif = content.removeprefix(b"Exif\0\0")
        elif kind == b"ICCP":
            profile = content if len(content) <= MAX_PROFILE_BYTES else b""
        elif kind == b"VP8X":
            kept.append(_framed(kind, bytes([content[0] & ~_METADATA_FLAGS]) + content[1:]) if content else b"")
        elif kind in _PICTURES:
            pictures += 1
            kept += [data[position:following]] * (pictures == 1)
        elif kind in (b"ALPH", b"ANIM"):
            kept.append(data[position:following])
        position = following
    else:
        raise too_many_parts()
    body = b"WEBP" + b"".join(kept)
    return Parts(b"RIFF" + len(body).to_bytes(4, "little") + body, exif, profile)


def _chunk(data: bytes, position: int) -> tuple[bytes, bytes, int]:
    """A chunk's type, its content, and where the next chunk starts."""
    start = position + 8
    end = start + int.from_bytes(data[position + 4 : start], "little")
    if end > len(data):
        raise broken("WEBP")
    return data[position : position + 4], data[start:end], end + (end & 1)


def _framed(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + bytes(len(content) & 1)
