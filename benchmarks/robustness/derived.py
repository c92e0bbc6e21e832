"""HEIC and AVIF files whose container hides what the decoder has to do (ISO/IEC 23008-12)."""

import re
import struct
from typing import Final

from serve.model.formats import boxes

_PICTURE: Final = 2


def lying(picture: bytes, claimed: tuple[int, int]) -> bytes:
    """The picture in a container that says another width and height."""
    size = b"ispe\0\0\0\0" + struct.pack(">II", *claimed)
    return re.sub(rb"ispe\0{4}.{8}", lambda _: size, picture, flags=re.DOTALL)


def repeated(picture: bytes, count: int) -> bytes:
    """What is coded of a picture, so many times in one item."""
    kind, data, properties = _coded(picture)
    return boxes.written(picture[8:12], _PICTURE, {_PICTURE: (kind, properties, data * count)}, [])


def derived(picture: bytes, kind: bytes, count: int, canvas: tuple[int, int], *, turned: bool = False) -> bytes:
    """A picture made of count x count others, all alike.

    Args:
        picture: each of them.
        kind: of the derivation: `grid`, or `iovl`, which lays pictures over each other.
        count: at most 100.
        canvas: width and height of the whole.
        turned: also mirrored, and cropped by a pixel on each side.
    """
    coded_kind, data, properties = _coded(picture)
    layout = bytes([0, 1, count - 1, count - 1]) if kind == b"grid" else bytes([0, 1]) + bytes(8)
    layout += struct.pack(">II", *canvas) + (b"" if kind == b"grid" else bytes(8) * count**2)
    size = boxes.Property(essential=False, kind=b"ispe", content=memoryview(bytes(4) + struct.pack(">II", *canvas)))
    whole = [size, *(one for one in properties if one.kind == b"colr"), *(_turns(canvas) if turned else [])]
    tiles = range(_PICTURE, _PICTURE + count**2)
    items = {1: (kind, whole, layout)} | dict.fromkeys(tiles, (coded_kind, properties, data))
    return boxes.written(picture[8:12], 1, items, [(b"dimg", 1, tiles)])


def _turns(canvas: tuple[int, int]) -> list[boxes.Property]:
    """What crops, mirrors and turns: sections 6.5.10 and 6.5.12, and ISO/IEC 14496-12, 12.1.4."""
    crop = struct.pack(">8I", canvas[0] - 2, 1, canvas[1] - 2, 1, 0, 1, 0, 1)
    contents = {b"clap": crop, b"imir": b"\1", b"irot": b"\1"}
    return [boxes.Property(essential=True, kind=kind, content=memoryview(one)) for kind, one in contents.items()]


def _coded(picture: bytes) -> tuple[bytes, bytes, list[boxes.Property]]:
    """Kind, bytes and properties of the primary picture."""
    meta = boxes.Meta(picture)
    return meta.kinds[meta.primary], meta.data(meta.primary), meta.properties(meta.primary)
