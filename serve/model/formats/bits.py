"""Numbers of a few bits, from the most significant on, as the headers of video codecs have them."""

from typing import Final

_MAX_BYTES: Final = 1000  # of a header: sequence headers have 10 to 100
_MAX_ZEROS: Final = 32


class Bits:
    """Reads a header.

    Args:
        data: its bytes; only the first thousand are looked at.
    """

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data[:_MAX_BYTES], "big"), 8 * min(len(data), _MAX_BYTES)

    def read(self, count: int) -> int:
        """The next bits as a number.

        Raises:
            EOFError: there are not so many.
        """
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & ((1 << count) - 1)

    def read_exponential(self) -> int:
        """A number in Exp-Golomb code (`ue(v)` of H.265, section 9.2; `uvlc()` of AV1, section 4.10.3).

        Raises:
            EOFError: the header ends within it.
            ValueError: it has more than 32 bits.
        """
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > _MAX_ZEROS:
                raise ValueError("a number of more than 32 bits")
        return (1 << zeros) - 1 + self.read(zeros)
