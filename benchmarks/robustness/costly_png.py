"""PNGs that cost as much as they may, or more; see `benchmarks.robustness.costly`."""

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

_BOMB: Final = zlib.compress(bytes(50_000_000), 9)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


def _png(
    size: tuple[int, int], depth: int, color_type: int, rows: Iterator[bytes], *, interlaced: int = 0,
    before: bytes = b"", after: bytes = b""
) -> bytes:  # fmt: skip
    header = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, interlaced)
    deflate = zlib.compressobj(6)
    pixels = b"".join([*map(deflate.compress, rows), deflate.flush()])
    chunks = _chunk(b"IHDR", header) + before + _chunk(b"IDAT", pixels) + after + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _rows(size: tuple[int, int], bytes_a_pixel: int, random_share: float = 0.0) -> Iterator[bytes]:
    """Rows with the Paeth filter, the slowest; a share of each is random."""
    width = size[0] * bytes_a_pixel
    chance = random.Random(1)  # noqa: S311  (to be repeatable)
    row = chance.randbytes(width)
    fresh = int(width * random_share)
    return (b"\4" + chance.randbytes(fresh) + row[fresh:] for _ in range(size[1]))


def files(largest: tuple[int, int]) -> dict[str, Callable[[], bytes]]:
    """By what makes them costly; `largest`: the size of as many pixels as are allowed."""
    pixel = bytes([0, 1, 2, 3])

    def tiny(chunk: bytes, place: str) -> bytes:
        before, after = (chunk, b"") if place == "before" else (b"", chunk)
        return _png((1, 1), 8, 2, iter([pixel]), before=before, after=after)

    kinds: dict[str, Callable[[], bytes]] = {
        "RGB, Paeth": lambda: _png((5300, 5350), 8, 2, _rows((5300, 5350), 3)),
        "RGB, Paeth, 6% random": lambda: _png((5000, 5000), 8, 2, _rows((5000, 5000), 3, 0.07)),
        "RGBA, Paeth": lambda: _png((4600, 3650), 8, 6, _rows((4600, 3650), 4)),
        "16-bit RGBA, Paeth": lambda: _png((3200, 2950), 16, 6, _rows((3200, 2950), 8)),
        "16-bit RGB, key color": lambda: _png(
            (3500, 2900), 16, 2, _rows((3500, 2900), 6), before=_chunk(b"tRNS", bytes([0, 9] * 3))
        ),
        "16-bit gray, key color": lambda: _png(
            (5400, 3600), 16, 0, _rows((5400, 3600), 2), before=_chunk(b"tRNS", bytes([0, 9]))
        ),
        "interlaced RGB": lambda: _png((3800, 3750), 8, 2, iter([b"\4" * 56_000_000]), interlaced=1),
        "interlaced bits": lambda: _png(largest, 1, 0, iter([b"\4" * 7_000_000]), interlaced=1),
        "50 MP of bits": lambda: _png(largest, 1, 0, _rows((1000, 6250), 1)),
        "65,500 x 690": lambda: _png((65_500, 690), 8, 0, _rows((65_500, 690), 1)),
        "430 x 65,500": lambda: _png((430, 65_500), 8, 2, _rows((430, 65_500), 3)),
        "pixels beyond the rows": lambda: _png((1, 1), 8, 2, iter([pixel, *[bytes(1_000_000)] * 5000])),
        "700,000 pixel chunks": lambda: tiny(_chunk(b"IDAT", b"") * 700_000, "before"),
        "700,000 chunks": lambda: tiny(_chunk(b"prVt", b"") * 700_000, "before"),
    }
    for name in ("iCCP", "zTXt", "iTXt"):
        bomb = _chunk(name.encode(), b"a\0\0" + _BOMB) * 180
        kinds[f"180 {name} of 50 MB before"] = lambda bomb=bomb: tiny(bomb, "before")  # type: ignore[misc]
        kinds[f"180 {name} of 50 MB after"] = lambda bomb=bomb: tiny(bomb, "after")  # type: ignore[misc]
    return kinds
