"""The orientation, from EXIF of either byte order, whole or broken."""

import random
import struct

import pytest

from serve.model.formats.exif import orientation
from tests.serve.model.pictures import exif_of


def directory(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """A TIFF header and one directory of (tag, type, count, value)."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    body = struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        body += struct.pack(f"{order}HHIHH", tag, kind, count, value, 0)
    return start + body


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_all_values_in_both_byte_orders(value: int, order: str) -> None:
    assert orientation(directory((0x010F, 2, 1, 0), (0x0112, 3, 1, value), order=order)) == value


def test_as_pillow_writes_it() -> None:
    assert orientation(exif_of(6).tobytes().removeprefix(b"Exif\0\0")) == 6


@pytest.mark.parametrize(
    "exif",
    [
        b"", b"II", b"II*\0", b"XX*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff", directory(), directory((0x0112, 3, 1, 0)),
        directory((0x0112, 3, 1, 9)), directory((0x0112, 4, 1, 6)), directory((0x0112, 3, 2, 6)),
        directory((0x0112, 3, 1, 6))[:-3], b"II*\0" + struct.pack("<IH", 8, 65_535),
    ],
)  # fmt: skip
def test_what_is_broken_or_absent_stands_as_it_is_stored(exif: bytes) -> None:
    assert orientation(exif) == 1


def test_of_a_huge_directory_only_the_first_entries_are_looked_at() -> None:
    entries = [(0x0100, 3, 1, 1)] * 60_000
    assert orientation(directory(*entries, (0x0112, 3, 1, 6))) == 1
    assert orientation(directory(*entries[:900], (0x0112, 3, 1, 6))) == 6


def test_any_bytes_give_an_orientation() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        assert 1 <= orientation(b"II*\0" + chance.randbytes(chance.randrange(60))) <= 8
