"""HEVC (ITU-T H.265) in HEIC files (ISO/IEC 14496-15, 8.3): how large the coded pictures are, and how many."""

from collections.abc import Iterator
from typing import Final

from serve.model.formats import Coded, PartCount, too_many_parts
from serve.model.formats.bits import Bits

_FIRST_NON_SLICE: Final = 32  # of NAL unit types (table 7-1)
_SEQUENCE_PARAMETERS, _PICTURE_PARAMETERS = 33, 34
_MAX_PARAMETERS: Final = 4  # of either kind; encoders write one. For a picture's, decoders make tables as large as it
_ARRAYS: Final = 22  # where the parameter sets begin in the configuration
_DEEP_WORK: Final = 2  # of 8 bits: two bytes a sample
_SAMPLES: Final = (1.0, 1.5, 2.0, 3.0)  # a pixel, by chroma_format_idc (table 6-1)


def coded(configuration: bytes, data: bytes, count: PartCount) -> Coded:
    """What a decoder makes of one item.

    Each slice counts as a picture: nothing keeps it from being as large as one.

    Args:
        configuration: the content of its hvcC property.
        data: its NAL units.
        count: of the file's parts; all units count.

    Raises:
        EOFError, IndexError, ValueError: it is broken, or has no sequence parameters.
        UndecodableImageError: it consists of too many parts.
    """
    units = [*count.each(_parameter_sets(configuration)), *count.each(_units(data, (configuration[21] & 3) + 1))]
    kinds = [_kind(unit) for unit in units]
    if max(kinds.count(_SEQUENCE_PARAMETERS), kinds.count(_PICTURE_PARAMETERS)) > _MAX_PARAMETERS:
        raise too_many_parts()
    sizes = [_size(unit) for unit, kind in zip(units, kinds, strict=True) if kind == _SEQUENCE_PARAMETERS]
    slices = sum(kind < _FIRST_NON_SLICE for kind in kinds)
    width, height, samples = (max(values) for values in zip(*sizes, strict=True))
    return Coded(width, height, samples, slices)


def _kind(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def _parameter_sets(configuration: bytes) -> Iterator[bytes]:
    position = _ARRAYS + 1
    for _ in range(configuration[_ARRAYS]):
        count = int.from_bytes(configuration[position + 1 : position + 3], "big")
        position += 3
        for _ in range(count):
            unit, position = _unit(configuration, position, 2)
            yield unit


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        unit, position = _unit(data, position, length_bytes)
        yield unit


def _unit(data: bytes, position: int, length_bytes: int) -> tuple[bytes, int]:
    """A NAL unit, and where the next one begins."""
    start = position + length_bytes
    end = start + int.from_bytes(data[position:start], "big")
    if end > len(data) or end == start:
        raise ValueError("a NAL unit is empty, or ends behind its item")
    return data[start:end], end


def _size(unit: bytes) -> tuple[int, int, float]:
    """Width, height and bytes a pixel, from sequence parameters (section 7.3.2.2)."""
    bits = Bits(unit[2:1000].replace(b"\0\0\3", b"\0\0"))  # without the bytes that only keep start codes out
    bits.read(4)
    sub_layers = bits.read(3)
    bits.read(1 + 88 + 8)
    present = [(bits.read(1), bits.read(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.read(2 * (8 - sub_layers))
    for profile, level in present:
        bits.read(88 * profile + 8 * level)
    bits.read_exponential()
    chroma = bits.read_exponential()
    if chroma == len(_SAMPLES) - 1:
        bits.read(1)
    width, height = bits.read_exponential(), bits.read_exponential()
    if bits.read(1):  # a window, which is cut out after decoding
        for _ in range(4):
            bits.read_exponential()
    is_deep = bits.read_exponential() + bits.read_exponential() > 0
    return width, height, _SAMPLES[chroma] * (_DEEP_WORK if is_deep else 1)
