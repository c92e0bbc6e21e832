"""Numbers of a few bits."""

import pytest

from serve.model.formats.bits import Bits


def test_bits_come_from_the_most_significant_on() -> None:
    bits = Bits(b"\xa5\x0f")
    assert [bits.read(count) for count in (1, 3, 0, 4, 8)] == [1, 2, 0, 5, 15]
    with pytest.raises(EOFError):
        bits.read(1)


@pytest.mark.parametrize(("code", "value"), [("1", 0), ("010", 1), ("011", 2), ("00100", 3), ("0001000", 7)])
def test_exponential_codes(code: str, value: int) -> None:
    """H.265, table 9-2."""
    assert Bits(int(code.ljust(8, "0"), 2).to_bytes(1, "big")).read_exponential() == value


def test_codes_end() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        Bits(bytes(100)).read_exponential()
    with pytest.raises(EOFError):
        Bits(bytes(2)).read_exponential()
