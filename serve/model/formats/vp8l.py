"""Lossless WebP (RFC 9649, sections 3-7): how many groups of prefix codes a picture has.

A group takes up to 12 kB and 20 µs, whatever it codes: a megapixel in 300 kB can name 65,536. How many there are stands
behind the transforms, whose small pictures are read here to get past them. Only lengths are followed, no pixels.
"""

from typing import Final

from serve.model.formats import broken, too_many_parts

MAX_GROUPS: Final = 2600
"""As many as libwebp writes (MAX_HUFF_IMAGE_SIZE in its src/enc/histogram_enc.h)."""

_MAX_SMALL_PIXELS: Final = 100_000  # in all small pictures; libwebp writes one for 16 x 16 pixels or more
_CODE_LENGTH_ORDER: Final = (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
_LITERALS, _LENGTHS, _DISTANCES = 256, 24, 40
_COLOR_TRANSFORM, _SUBTRACT_GREEN = 1, 2
_MAX_CODE_BITS: Final = 15

Table = tuple[list[tuple[int, int]], int]
"""By the next bits: the symbol and its length; and how many bits that are."""


class Reader:
    """Bits of a lossless picture, from the least significant of the first byte on.

    Args:
        data: the stream, with or without the header of 5 bytes.
        bit: where to begin.
    """

    def __init__(self, data: bytes, bit: int = 0) -> None:
        self._data, self._bit, self._small_pixels = data, bit, 0

    def groups(self, width: int, height: int) -> int:
        """How many groups of prefix codes a picture of this size has.

        Raises:
            UndecodableImageError: the stream is broken, repeats a transform, or its small pictures are larger than
                encoders write them.
        """
        seen = set[int]()
        while self._read(1):
            kind = self._read(2)
            if kind in seen:  # no decoder takes that
                raise broken("WEBP")
            seen.add(kind)
            if kind <= _COLOR_TRANSFORM:
                self._tiles(width, height)
            elif kind != _SUBTRACT_GREEN:
                colors = self._read(8) + 1
                self._small_picture(colors)
                packed = 3 if colors <= 2 else 2 if colors <= 4 else 1 if colors <= 16 else 0
                width = (width - 1 >> packed) + 1
        if self._read(1):  # a cache of colors
            self._read(4)
        return self._tiles(width, height) + 1 if self._read(1) else 1

    def _read(self, count: int) -> int:
        value = self._peek() & ((1 << count) - 1)
        self._skip(count)
        return value

    def _peek(self) -> int:
        start = self._bit >> 3
        return int.from_bytes(self._data[start : start + 5], "little") >> (self._bit & 7)

    def _skip(self, count: int) -> None:
        self._bit += count
        if self._bit > 8 * len(self._data):
            raise broken("WEBP")

    def _tiles(self, width: int, height: int) -> int:
        bits = self._read(3) + 2
        return self._small_picture(((width - 1 >> bits) + 1) * ((height - 1 >> bits) + 1))

    def _small_picture(self, pixels: int) -> int:
        """Read past a picture of one group; returns the largest number in its red and green."""
        self._small_pixels += pixels
        if self._small_pixels > _MAX_SMALL_PIXELS:
            raise too_many_parts()
        cached = 1 << self._read(4) if self._read(1) else 0
        green = self._table(_LITERALS + _LENGTHS + cached)
        red, blue, alpha = (self._table(_LITERALS) for _ in range(3))
        distance = self._table(_DISTANCES)
        largest = done = 0
        while done < pixels:
            symbol = self._symbol(green)
            if symbol < _LITERALS:
                largest = max(largest, self._symbol(red) << 8 | symbol)
                self._symbol(blue)
                self._symbol(alpha)
                done += 1
            elif symbol < _LITERALS + _LENGTHS:
                done += self._prefixed(symbol - _LITERALS)
                self._prefixed(self._symbol(distance))
            else:
                done += 1
        return largest

    def _prefixed(self, code: int) -> int:
        """A length or a distance (section 5.2.2)."""
        if code < 4:
            return code + 1
        extra = code - 2 >> 1
        return (2 + (code & 1) << extra) + self._read(extra) + 1

    def _symbol(self, table: Table) -> int:
        entries, bits = table
        symbol, length = entries[self._peek() & ((1 << bits) - 1)]
        self._skip(length)
        return symbol

    def _table(self, symbols: int) -> Table:
        """Read a prefix code (section 6.2)."""
        if not self._read(1):
            return _table(self._code_lengths(symbols))
        count, wide = self._read(1) + 1, self._read(1)
        found = [self._read(8 if wide else 1), *(self._read(8) for _ in range(count - 1))]
        lengths = [0] * _LITERALS
        for symbol in found:
            lengths[symbol] = 1
        return _table(lengths)

    def _code_lengths(self, symbols: int) -> list[int]:
        counts = [0] * len(_CODE_LENGTH_ORDER)
        for place in _CODE_LENGTH_ORDER[: self._read(4) + 4]:
            counts[place] = self._read(3)
        table, lengths, before = _table(counts), list[int](), 8
        left = 2 + self._read(2 + 2 * self._read(3)) if self._read(1) else symbols
        while len(lengths) < symbols and left > 0:
            symbol, left = self._symbol(table), left - 1
            if symbol < 16:
                lengths.append(symbol)
                before = symbol or before
            elif symbol == 16:
                lengths += [before] * (3 + self._read(2))
            else:
                lengths += [0] * (3 + self._read(3) if symbol == 17 else 11 + self._read(7))
        return lengths


def _table(lengths: list[int]) -> Table:
    """The canonical prefix code of these lengths; bits come in reverse.

    Raises:
        UndecodableImageError: the lengths are those of no complete code.
    """
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    if len(used) == 1:
        return [(used[0][1], 0)], 0
    bits = used[-1][0] if used else 0
    if sum(1 << bits - length for length, _ in used) != 1 << bits or bits > _MAX_CODE_BITS:
        raise broken("WEBP")
    entries, code, before = [(0, 0)] * (1 << bits), 0, 0
    for length, symbol in used:
        code <<= length - before
        first = int(f"{code:0{length}b}"[::-1], 2)
        entries[first :: 1 << length] = [(symbol, length)] * (1 << bits - length)
        code, before = code + 1, length
    return entries, bits
