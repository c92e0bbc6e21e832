"""GIF: its first frame, and what is around it."""

import pytest
from PIL import Image

from serve.errors import UndecodableImageError
from serve.model import formats
from serve.model.formats import MAX_PARTS, gif
from serve.model.preprocess import decode
from tests.serve.model.pictures import encoded, is_same, scene


def moved(left: int, top: int, screen: tuple[int, int], *, transparent: bool = False) -> bytes:
    """A red frame of 50 x 50 pixels on a larger screen."""
    image = Image.new("P", (50, 50))
    image.putpalette([200, 0, 0, 0, 0, 200])
    data = bytearray(encoded(image, "GIF", **({"transparency": 1} if transparent else {})))
    frame = data.index(b",", 13)
    data[6:10] = b"".join(side.to_bytes(2, "little") for side in screen)
    data[frame + 1 : frame + 5] = left.to_bytes(2, "little") + top.to_bytes(2, "little")
    return bytes(data)


@pytest.mark.parametrize("transparent", [True, False])
@pytest.mark.parametrize(("left", "top"), [(0, 0), (50, 50), (20, 30)])
def test_around_a_small_frame_it_is_white(left: int, top: int, transparent: bool) -> None:
    result = decode(moved(left, top, (100, 100), transparent=transparent), 100, 100)
    for x, y in ((5, 5), (95, 5), (5, 95), (95, 95), (40, 60)):
        inside = left <= x < left + 50 and top <= y < top + 50
        assert result.getpixel((x, y)) == ((200, 0, 0) if inside else (255, 255, 255))


def test_a_gray_frame_too() -> None:
    data = bytearray(encoded(Image.new("L", (50, 50), 90), "GIF"))
    data[6:10] = bytes([100, 0, 100, 0])
    result = decode(bytes(data), 100, 100)
    assert (result.getpixel((20, 20)), result.getpixel((80, 80))) == ((90, 90, 90), (255, 255, 255))


def test_a_frame_beyond_the_screen_makes_it_larger() -> None:
    assert decode(moved(80, 80, (100, 100)), 130, 130).getpixel((120, 120)) == (200, 0, 0)


def test_a_decoder_gets_no_comment_and_the_last_graphic_control() -> None:
    plain = encoded(scene().quantize(8), "GIF", transparency=3)
    start = plain.index(b"!\xf9")
    extra = b"!\xfe\3abc\0" + b"!\xf9\4\0\0\0\0\0" + b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0"
    found = formats.parts(plain[:start] + extra + plain[start:], "GIF").file
    assert found == plain
    assert gif.frame(found) == (0, 0, *scene().size)


@pytest.mark.parametrize("control", [b"\4\0\0\0\0\1a\0", b"\0", b"\1a\0"])
def test_a_graphic_control_of_another_form_is_dropped(control: bytes) -> None:
    plain = encoded(scene().quantize(8), "GIF")
    start = plain.index(b",", 13 + 3 * 8)
    changed = plain[:start] + b"!\xf9" + control + plain[start:]
    assert is_same(decode(changed, 30, 30), decode(plain, 30, 30))


@pytest.mark.parametrize("cut", [3, 12, 14, 30])
def test_a_beginning_alone_is_broken(cut: int) -> None:
    with pytest.raises(UndecodableImageError):
        decode(encoded(scene().quantize(4), "GIF")[: 6 + cut], 8, 8)


def test_sub_blocks_count_as_parts() -> None:
    data = encoded(scene().quantize(8), "GIF")
    start = data.index(b",", 13 + 3 * 8)
    with pytest.raises(UndecodableImageError, match="too many parts"):
        decode(data[:start] + b"!\xfe" + b"\1a" * MAX_PARTS + b"\0" + data[start:], 8, 8)
