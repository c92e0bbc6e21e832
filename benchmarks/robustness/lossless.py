"""Lossless WebP files (RFC 9649) that name as many groups of prefix codes as one likes, for few bytes."""

from typing import Final

_CODE_LENGTH_ORDER: Final = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_TILE_BITS: Final = 2  # the smallest tiles, of 4 x 4 pixels
_GREEN, _COLOR = 280, 256  # symbols of the codes for green and for red, blue and alpha


class _Writer:
    """Bits, from the least significant of the first byte on."""

    def __init__(self) -> None:
        self._done: list[bytes] = []
        self._value = self._count = 0

    def put(self, value: int, count: int) -> None:
        self._value |= value << self._count
        self._count += count
        if self._count >= 4096:
            self._done.append((self._value & ((1 << 4096) - 1)).to_bytes(512, "little"))
            self._value, self._count = self._value >> 4096, self._count - 4096

    def bytes(self) -> bytes:
        """All that was put, with zeros up to an even length."""
        whole = b"".join([*self._done, self._value.to_bytes(-(-self._count // 8), "little")])
        return whole + bytes(len(whole) & 1)


def lossless_webp(width: int, height: int, groups: int) -> bytes:
    """A black picture; each group codes nothing but black, in 20 bits.

    Args:
        width, height: in pixels; at least a tile of 4 x 4 pixels for each group.
        groups: at most 65,536.
    """
    bits = _Writer()
    bits.put(0x2F | (width - 1) << 8 | (height - 1) << 22, 40)
    bits.put(0, 2)  # no transform, no color cache
    bits.put(1 | _TILE_BITS - 2 << 1, 4)
    bits.put(0, 1)  # the picture of tiles has no color cache
    for symbols in (_GREEN, _COLOR):
        _equal_code(bits, symbols)
    for _ in range(3):
        _one_symbol(bits)
    tiles = ((width - 1 >> _TILE_BITS) + 1) * ((height - 1 >> _TILE_BITS) + 1)
    for tile in range(tiles):
        group = min(tile, groups - 1)
        bits.put(_reversed(group & 255), 8)
        bits.put(_reversed(group >> 8), 8)
    for _ in range(5 * groups):
        _one_symbol(bits)
    content = bits.bytes()
    body = b"WEBPVP8L" + len(content).to_bytes(4, "little") + content
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _one_symbol(bits: _Writer) -> None:
    """A code of the symbol 0 alone, which then takes no bits."""
    bits.put(0b0001, 4)


def _equal_code(bits: _Writer, symbols: int) -> None:
    """A code in which the first 256 symbols have 8 bits each, and the others none."""
    rest = symbols - 256
    lengths = {8: 1, 18: 1} if rest else {8: 1}
    written = max(4, 1 + max(map(_CODE_LENGTH_ORDER.index, lengths)))
    bits.put(0, 1)
    bits.put(written - 4, 4)
    for symbol in _CODE_LENGTH_ORDER[:written]:
        bits.put(lengths.get(symbol, 0), 3)
    bits.put(0, 1)  # all symbols have a length
    if rest:
        bits.put(0, 256)
        bits.put(1 | rest - 11 << 1, 8)  # so many zeros


def _reversed(value: int) -> int:
    return int(f"{value:08b}"[::-1], 2)
