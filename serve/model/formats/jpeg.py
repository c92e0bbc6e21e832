"""JPEG (ITU-R T.81): its segments, and how many pixels its scans visit."""

import re
from typing import Final

from serve.errors import UndecodableImageError
from serve.model.formats import MAX_PARTS, MAX_PROFILE_BYTES, Parts, broken, too_many_parts

_END: Final = b"\xff\xd9"
_START_OF_SCAN: Final = 0xDA
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
# T.81, table B.1: all frame headers. C4, C8 and CC are no frames.
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})  # Huffman tables, quantization tables, restart interval
_MAX_BYTES_BEFORE_SCANS: Final = 100_000  # a JFIF thumbnail has up to 65 kB, tables 2 kB; Pillow reads them in Python
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a segment
# Inside a scan FF stands before 00 (a stuffed FF), a restart marker, or the next segment. Of several the last counts:
# `\xff+` would begin at each of a million, and take an hour.
_NEXT_SEGMENT: Final = re.compile(rb"\xff([^\x00-\xbf\xd0-\xd7\xff])", re.DOTALL)
_FILL: Final = re.compile(rb"\xff+")  # before a marker, repeated or after padding
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"


def parts(data: bytes) -> Parts:
    """The tables, the frame and the scans; EXIF and the color profile apart.

    Raises:
        UndecodableImageError: the segments are broken, too many, or the frame is of a kind that cameras do not write.
    """
    kept, exif, profile, frame = [data[:2]], b"", dict[int, bytes](), b""
    position = 2
    for _ in range(MAX_PARTS):
        marker, start, end = _segment(data, position)
        segment = data[start:end]
        if marker == _START_OF_SCAN:
            return Parts(_file(data, kept, position), exif, _joined(profile), _scan_pixels(data, position, frame))
        if marker in _FRAMES:
            frame = _checked_frame(marker, segment, known=frame)
        if marker in _TABLES or marker in _FRAMES or (marker, segment[:5]) in ((_APP0, b"JFIF\0"), (_APP14, b"Adobe")):
            kept.append(data[position:end])
        elif marker == _APP1 and segment.startswith(_EXIF):
            exif = exif or segment[len(_EXIF) :]
        elif marker == _APP2 and segment.startswith(_ICC) and len(segment) > len(_ICC) + 2:
            profile.setdefault(segment[len(_ICC)], segment[len(_ICC) + 2 :])
        position = end
    raise too_many_parts()


def _file(data: bytes, kept: list[bytes], position: int) -> bytes:
    """What is kept, and the scans, which begin at `position`."""
    before = sum(map(len, kept))
    if before > _MAX_BYTES_BEFORE_SCANS:
        raise too_many_parts()
    # Scans can be megabytes: they are copied once, or not at all if there is nothing to drop before them.
    return data if before == position else b"".join([*kept, memoryview(data)[position:]])


def has_end(data: bytes) -> bool:
    """Whether there is an end marker, in the file of `parts`."""
    return data.rfind(_END) >= 0


def _segment(data: bytes, position: int) -> tuple[int, int, int]:
    """A segment's marker, and where its content starts and ends; `position` is that of its FF."""
    fill = _FILL.search(data, position)
    if fill is None:
        raise broken("JPEG")
    position = fill.end()
    content = position + 3
    if content > len(data):
        raise broken("JPEG")
    marker, length = data[position], int.from_bytes(data[position + 1 : content], "big")
    if marker in _ALONE:
        return marker, position + 1, position + 1
    end = position + 1 + length
    if marker in (0x00, 0xD8, 0xD9) or length < 2 or end > len(data):
        raise broken("JPEG")
    return marker, content, end


def _checked_frame(marker: int, frame: bytes, *, known: bytes) -> bytes:
    """The frame header.

    Raises:
        UndecodableImageError: a second frame, or one that decoders for cameras' files do not need: arithmetic coding
            takes 20 times as long a pixel, and lossless, hierarchical and 12-bit files come from no camera or browser.
    """
    if known or len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise broken("JPEG")
    if marker >= 0xC8:
        raise _refused("arithmetic coding")
    if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
        raise _refused("lossless or hierarchical coding")
    if frame[0] != 8:
        raise _refused(f"{frame[0]}-bit samples")
    return bytes([marker]) + frame


def _refused(kind: str) -> UndecodableImageError:
    return UndecodableImageError(f"The JPEG image has {kind}, which is not supported: save it as an ordinary JPEG.")


def _joined(profile: dict[int, bytes]) -> bytes:
    """An ICC profile from its numbered pieces (ICC.1:2022, B.4)."""
    whole = b"".join(profile[number] for number in sorted(profile))
    return whole if len(whole) <= MAX_PROFILE_BYTES else b""


def _scan_pixels(data: bytes, position: int, frame: bytes) -> int:
    """How many pixels the scans visit, in blocks of 8 x 8; a channel at half the resolution counts for a fourth.

    A sequential JPEG whose first scan has all channels has one scan: decoders read no other.
    """
    if not frame:
        raise broken("JPEG")
    pixels = (int.from_bytes(frame[2:4], "big") + 7 & ~7) * (int.from_bytes(frame[4:6], "big") + 7 & ~7)
    _, scan, _ = _segment(data, position)
    if frame[0] != _PROGRESSIVE and data[scan : scan + 1] == frame[6:7]:
        return pixels
    shares, visited = _shares(frame), 0.0
    for _ in range(MAX_PARTS):
        marker, start, end = _segment(data, position)
        if marker == _START_OF_SCAN:
            visited += sum(shares.get(channel, 0.0) for channel in data[start + 1 : end - 3 : 2])
        found = _NEXT_SEGMENT.search(data, end)
        if found is None or found[1] == _END[1:]:
            return round(pixels * visited)
        position = found.end() - 2
    raise too_many_parts()


def _shares(frame: bytes) -> dict[int, float]:
    """Of the largest channel's samples, how many each channel has, by its number (T.81, B.2.2)."""
    samples: dict[int, int] = {}
    for place in range(7, 7 + 3 * frame[6], 3):
        factors = frame[place + 1]
        samples[frame[place]] = max(samples.get(frame[place], 0), (factors >> 4) * (factors & 15))
    largest = max(samples.values(), default=0)
    return {channel: count / max(1, largest) for channel, count in samples.items()}
