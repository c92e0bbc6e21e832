"""BMP (Windows bitmaps): whether its pixels are stored as run lengths."""

from typing import Final

from serve.model.formats import Parts

_OS2: Final = b"\x0c"  # of a header without a compression
_COMPRESSION: Final = slice(30, 34)  # in the header of 40 bytes and more
_RUN_LENGTHS: Final = frozenset({1, 2})  # 8 and 4 bits
_RUN_LENGTH_WORK: Final = 70  # times that of a stored pixel: Pillow decodes these in Python


def parts(data: bytes) -> Parts:
    """The whole file."""
    if data[14:15] == _OS2 or int.from_bytes(data[_COMPRESSION], "little") not in _RUN_LENGTHS:
        return Parts(data)
    width, height = (int.from_bytes(data[place : place + 4], "little", signed=True) for place in (18, 22))
    return Parts(data, work=abs(width * height) * _RUN_LENGTH_WORK)
