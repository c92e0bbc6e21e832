"""The orientation in EXIF, and nothing else of it."""

from typing import Final

_ORIENTATION: Final = 0x0112
_SHORT: Final = 3  # the type of a 16-bit number
_ENTRY: Final = 12  # bytes
_MAX_ENTRIES: Final = 1000  # cameras write 10 to 20 into the first directory


def orientation(exif: bytes) -> int:
    """The orientation (EXIF 2.32, tag 0x0112) in the first directory, 1-8; 1 where there is none.

    Args:
        exif: from the TIFF header on.
    """
    order = {b"II": "little", b"MM": "big"}.get(exif[:2])
    if order is None:
        return 1

    def number(start: int, length: int) -> int:
        return int.from_bytes(exif[start : start + length], order)  # type: ignore[arg-type]

    directory = number(4, 4)
    for place in range(min(number(directory, 2), _MAX_ENTRIES)):
        entry = directory + 2 + place * _ENTRY
        if number(entry, 2) == _ORIENTATION:
            value = number(entry + 8, 2)
            is_one = number(entry + 2, 2) == _SHORT and number(entry + 4, 4) == 1
            return value if is_one and entry + _ENTRY <= len(exif) and 1 <= value <= 8 else 1
    return 1
