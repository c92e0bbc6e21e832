"""BMP (Windows bitmaps): whether its pixels are stored as run lengths."""

from typing import Final

from serve.model.formats import Parts

_COMPRESSION: Final = slice(30, 34)  # in the header of 40 bytes and more
_RUN_LENGTHS: Final = frozenset({1, 2})  # 8 and 4 bits
_RUN_LENGTH_WORK: Final = 70  # times that of a stored pixel: Pillow decodes these in Python


def parts(data: bytes) -> Parts:
    """The whole file."""
    if int.from_bytes(data[_COMPRESSION], "little") not in _RUN_LENGTHS:
        return Parts(data)
    width, height = (int.from_bytes(data[place : place + 4], "little", signed=True) for place in (18, 22))
    return Parts(data, work=abs(width * height) * _RUN_LENGTH_WORK)
