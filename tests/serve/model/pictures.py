"""Image files that a test makes, and how it compares what is decoded."""

import functools
import io
import zlib
from typing import Any

from PIL import Image, ImageChops, ImageStat


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


@functools.cache
def panorama() -> bytes:
    """A JPEG that takes little time at an eighth of its size, where 64 pixels are wanted, and too much for 100."""
    return encoded(Image.new("RGB", (64_000, 700), "olive"), "JPEG", progressive=True)


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, 0-255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def is_same(one: Image.Image, other: Image.Image) -> bool:
    """Whether two images have the very same pixels."""
    return (one.mode, one.size, one.tobytes()) == (other.mode, other.size, other.tobytes())


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(width: int, height: int, depth: int, color_type: int, rows: bytes, *, before: bytes = b"") -> bytes:
    """A PNG of raw rows, each with its filter byte; `before` are chunks that precede the pixels."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, color_type, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + before
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def scene(size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Slopes and a circle's edge in color."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down, around = Image.linear_gradient("L").resize(size), Image.radial_gradient("L").resize(size)
    return Image.merge("RGB", (across, down, around))
