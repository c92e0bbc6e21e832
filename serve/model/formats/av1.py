"""AV1 in AVIF files: how large the coded frames are, and how many (AV1 bitstream specification, section 5)."""

from collections.abc import Iterator
from typing import Final

from serve.model.formats import Coded, PartCount, too_many_parts
from serve.model.formats.bits import Bits

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME, _REDUNDANT_FRAME_HEADER = 1, 3, 6, 7
_FRAMES: Final = frozenset({_FRAME_HEADER, _FRAME, _REDUNDANT_FRAME_HEADER})
_MAX_HEADERS: Final = 100  # encoders write one, and repeat it for further frames
_TIERED_LEVEL: Final = 7  # above it, a level has a tier
# The most that a profile allows (section 6.4.1): 10 bits of 4:2:0, 10 bits of 4:4:4, 12 bits of 4:4:4. The last are as
# many bytes as those before, and count for more: they take a third longer.
_BYTES_A_PIXEL: Final = (3.0, 6.0, 8.0)


def coded(data: bytes, count: PartCount) -> Coded:
    """What a decoder makes of one item: its frames are as large as the sequence header allows.

    Args:
        data: its open bitstream units.
        count: of the file's parts; all units count.

    Raises:
        EOFError, IndexError, ValueError: it is broken, or has no sequence header.
        UndecodableImageError: it consists of too many parts.
    """
    units = list(count.each(_units(data)))
    headers = [content for kind, content in units if kind == _SEQUENCE_HEADER]
    if len(headers) > _MAX_HEADERS:
        raise too_many_parts()
    sizes = [_size(Bits(content)) for content in headers]
    frames = sum(kind in _FRAMES for kind, _ in units)
    width, height, samples = (max(values) for values in zip(*sizes, strict=True))
    return Coded(width, height, samples, frames)


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The types and contents of the open bitstream units (sections 5.3 and 4.10.5)."""
    position = 0
    while position < len(data):
        header = data[position]
        position += 2 if header & 4 else 1
        size = len(data) - position
        if header & 2:
            size, position = _leb128(data, position)
        if position + size > len(data):
            raise ValueError("a unit ends behind its item")
        yield header >> 3 & 15, data[position : position + size]
        position += size


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for place in range(8):
        value |= (data[position + place] & 127) << 7 * place
        if data[position + place] < 128:
            return value, position + place + 1
    raise ValueError("a length of more than eight bytes")


def _size(bits: Bits) -> tuple[int, int, float]:
    """Width, height and bytes a pixel, from a sequence header (section 5.5.1)."""
    profile = bits.read(3)
    bits.read(1)
    if bits.read(1):  # reduced, for a still picture
        bits.read(5)
    else:
        _skip_timing(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1, _BYTES_A_PIXEL[profile]


def _skip_timing(bits: Bits) -> None:
    """What stands between the profile and the size: times, and the operating points."""
    delay_bits = 0
    if bits.read(1):
        bits.read(64)
        if bits.read(1):
            bits.read_exponential()
        if bits.read(1):
            delay_bits = bits.read(5) + 1
            bits.read(32 + 5 + 5)
    has_display_delay = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > _TIERED_LEVEL:
            bits.read(1)
        if delay_bits and bits.read(1):
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.read(1):
            bits.read(4)
