"""GIF (version 89a): its first frame."""

from typing import Final

from serve.model.formats import MAX_PARTS, Parts, broken, too_many_parts

_SCREEN: Final = 13  # bytes of the signature and the logical screen descriptor
_EXTENSION, _FRAME = b"!", b","
_GRAPHIC_CONTROL, _CONTROL_BYTES = 0xF9, 8  # with one sub-block (section 23)


def parts(data: bytes) -> Parts:
    """The screen, the first frame, and what says which of its colors is transparent.

    Raises:
        UndecodableImageError: the blocks are broken or too many.
    """
    position = _SCREEN + _palette(data, 10)
    kept, control = [data[:position]], b""
    blocks = 0
    while blocks < MAX_PARTS:
        introducer = data[position : position + 1]
        if introducer == _FRAME:
            return Parts(b"".join([*kept, control, memoryview(data)[position:]]))
        if introducer != _EXTENSION:
            raise broken("GIF")
        end = position + 2
        while length := _length(data, end):  # sub-blocks, to an empty one
            end += 1 + length
            blocks += 1
            if blocks >= MAX_PARTS:
                raise too_many_parts()
        end += 1
        blocks += 1
        if data[position + 1] == _GRAPHIC_CONTROL and end - position == _CONTROL_BYTES:
            control = data[position:end]
        position = end
    raise too_many_parts()


def frame(data: bytes) -> tuple[int, int, int, int]:
    """Where the first frame lies on the screen: left, top, right, bottom; `data` is the file of `parts`."""
    position = _SCREEN + _palette(data, 10)
    while data[position : position + 1] == _EXTENSION:  # one graphic control, of one sub-block
        position += 4 + _length(data, position + 2)
    left, top, width, height = (
        int.from_bytes(data[place : place + 2], "little") for place in range(position + 1, position + 9, 2)
    )
    return left, top, left + width, top + height


def _palette(data: bytes, flags: int) -> int:
    """The bytes of the global palette."""
    if len(data) < _SCREEN:
        raise broken("GIF")
    return 3 << (data[flags] & 7) + 1 if data[flags] & 0x80 else 0


def _length(data: bytes, position: int) -> int:
    if position >= len(data):
        raise broken("GIF")
    return data[position]
