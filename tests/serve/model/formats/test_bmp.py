"""BMP: run lengths cost more than stored pixels."""

import struct

import pytest

from serve.errors import ImageTooLargeError, UndecodableImageError
from serve.model.formats import bmp
from serve.model.preprocess import decode


def bitmap(width: int, height: int, compression: int, rows: bytes) -> bytes:
    """8 bits a pixel, of two colors."""
    header = b"".join(
        value.to_bytes(size, "little", signed=True)
        for value, size in ((40, 4), (width, 4), (height, 4), (1, 2), (8, 2), (compression, 4), (len(rows), 4))
    )
    palette = bytes([0, 0, 255, 0, 255, 0, 0, 0])
    head = header + bytes(8) + (2).to_bytes(4, "little") + bytes(4) + palette
    return b"BM" + (14 + len(head) + len(rows)).to_bytes(4, "little") + bytes(4) + (14 + len(head)).to_bytes(
        4, "little"
    ) + head + rows  # fmt: skip


def test_run_lengths_are_more_work() -> None:
    assert bmp.parts(bitmap(100, 50, 0, b"")).work == 0
    assert bmp.parts(bitmap(100, -50, 1, b"")).work == bmp.parts(bitmap(100, 50, 2, b"")).work == 70 * 100 * 50


def test_a_header_of_12_bytes_names_no_compression() -> None:
    """Of OS/2: what would be the compression is a color of the palette."""
    palette = bytes(4) + (1).to_bytes(4, "little") + bytes(3 * 256 - 8)
    header = struct.pack("<IHHHH", 12, 300, 300, 1, 8)
    file = b"BM" + struct.pack("<IHHI", 26 + len(palette) + 90_000, 0, 0, 26 + len(palette)) + header + palette
    assert bmp.parts(file + bytes(90_000)).work == 0
    assert decode(file + bytes(90_000), 8, 8).size == (8, 8)


def test_ends_of_rows_alone_cannot_fill_a_large_picture() -> None:
    """Two bytes each; Pillow fills up the row pixel by pixel: 3 s for 50 megapixels."""
    small, large = (bitmap(1000, height, 1, bytes([1, 0, 0, 0]) * height) for height in (100, 40_000))
    assert decode(small, 8, 8).size == (8, 8)
    with pytest.raises(ImageTooLargeError, match="too long to decode"):
        decode(large, 8, 8)


def test_a_valid_kind_that_is_not_read_is_not_called_broken_for_certain() -> None:
    """16 bits a pixel with 4 bits a channel: Pillow reads 5-5-5 and 5-6-5."""
    header = struct.pack("<IiiHHIIiiII", 56, 2, 2, 1, 16, 3, 8, 0, 0, 0, 0)
    masks = struct.pack("<4I", 0x0F00, 0x00F0, 0x000F, 0xF000)
    offset = 14 + len(header) + len(masks)
    data = b"BM" + struct.pack("<IHHI", offset + 8, 0, 0, offset) + header + masks + b"\xff\xff" * 4
    with pytest.raises(UndecodableImageError, match="broken, truncated, or of a variant that is not supported"):
        decode(data, 2, 2)
