"""PNG: what its pixels need, what they inflate to, and the color that stands for transparency."""

import struct
import zlib

import pytest
from PIL import Image

from serve.errors import ImageTooLargeError, UndecodableImageError
from serve.model import formats
from serve.model.formats import MAX_PARTS, MAX_PROFILE_BYTES, png
from serve.model.preprocess import decode
from tests.serve.model.pictures import encoded, exif_of, png_chunk, scene
from tests.serve.model.pictures import png as png_of

PIXEL = bytes([0, 1, 2, 3])
BOMB = zlib.compress(bytes(20_000_000), 9)


def profile_chunk(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"name\0\0" + zlib.compress(profile))


def test_a_decoder_gets_the_chunks_of_the_pixels() -> None:
    profile = bytes(range(200))
    before = profile_chunk(profile) + png_chunk(b"tEXt", b"a\0b") + png_chunk(b"eXIf", exif_of(3).tobytes())
    found = png.parts(png_of(1, 1, 8, 2, PIXEL, before=before))
    assert found.file == png_of(1, 1, 8, 2, PIXEL)
    assert (found.exif, found.profile) == (exif_of(3).tobytes(), profile)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"tEXt", b"eXIf", b"prVt"])
@pytest.mark.parametrize("good_checksum", [True, False])
@pytest.mark.parametrize("place", ["before", "after"])
def test_what_is_no_pixel_costs_nothing(kind: bytes, good_checksum: bool, place: str) -> None:
    """60 of these, each inflating to the limit and counting as nothing, took 12 s."""
    chunk = png_chunk(kind, b"a\0\0" + BOMB)
    chunk = (chunk if good_checksum else chunk[:-4] + bytes(4)) * 60
    whole = png_of(1, 1, 8, 2, PIXEL)
    end = whole.index(b"IEND") - 4
    data = png_of(1, 1, 8, 2, PIXEL, before=chunk) if place == "before" else whole[:end] + chunk + whole[end:]
    found = png.parts(data)
    assert found.file == whole
    assert found.profile == b""
    assert decode(data, 1, 1).tobytes() == PIXEL[1:]


def test_a_profile_is_inflated_once_and_up_to_a_limit() -> None:
    largest, larger = bytes(MAX_PROFILE_BYTES - 1), bytes(MAX_PROFILE_BYTES + 1)
    assert png.parts(png_of(1, 1, 8, 2, PIXEL, before=profile_chunk(largest))).profile == largest
    assert png.parts(png_of(1, 1, 8, 2, PIXEL, before=profile_chunk(larger))).profile == b""
    both = profile_chunk(larger) + profile_chunk(b"small")
    assert png.parts(png_of(1, 1, 8, 2, PIXEL, before=both)).profile == b""


def test_a_profile_of_empty_blocks_is_ignored() -> None:
    """10 MB of them took half a second."""
    stream = zlib.compress(b"a profile", 0)
    for count, found in ((1, b"a profile"), (MAX_PROFILE_BYTES // 5, b"")):
        empty = b"\0\0\0\xff\xff" * count
        chunk = png_chunk(b"iCCP", b"name\0\0" + stream[:2] + empty + stream[2:])
        assert png.parts(png_of(1, 1, 8, 2, PIXEL, before=chunk)).profile == found


def test_a_second_header_is_refused() -> None:
    """Pillow takes the last: 3 MB that said 1 x 1 first took 2.2 s."""
    whole = png_of(1, 1, 8, 2, PIXEL)
    with pytest.raises(UndecodableImageError):
        png.parts(whole[:33] + whole[8:])


@pytest.mark.parametrize(
    ("depth", "color_type", "interlaced", "inflated"),
    [(8, 2, 0, 100 * 301), (16, 6, 0, 100 * 801), (1, 0, 0, 100 * 14), (8, 3, 0, 100 * 101), (8, 2, 1, 2 * 100 * 301)],
)
def test_work_is_what_the_pixels_inflate_to(depth: int, color_type: int, interlaced: int, inflated: int) -> None:
    whole = png_of(100, 100, depth, color_type, b"")
    header = whole[16:28] + bytes([interlaced])
    data = whole[:8] + png_chunk(b"IHDR", header) + whole[33:]
    assert png.parts(data).work == inflated


def test_16_bit_colors_have_half_the_ceiling() -> None:
    for size, refused in (((3500, 4000), False), ((7000, 4000), True)):
        data = png_of(*size, 16, 2, b"")
        with pytest.raises(ImageTooLargeError if refused else UndecodableImageError):
            decode(data, 8, 8)


def test_pixels_that_inflate_to_more_than_the_rows_end_with_them() -> None:
    data = png_of(1, 1, 8, 2, PIXEL + bytes(300_000_000))
    assert decode(data, 1, 1).tobytes() == PIXEL[1:]


def test_a_missing_end_chunk_is_no_error_and_missing_pixels_are() -> None:
    data = encoded(scene(), "PNG")
    end = data.index(b"IEND") - 4
    assert decode(data[:end], 8, 8).tobytes() == decode(data, 8, 8).tobytes()
    for cut in (end - 1, end // 2, 60, 40, 20):
        with pytest.raises(UndecodableImageError):
            decode(data[:cut], 8, 8)


def test_too_many_chunks_are_refused_wherever_they_stand() -> None:
    with pytest.raises(UndecodableImageError, match="too many parts"):
        formats.parts(png_of(1, 1, 8, 2, PIXEL, before=png_chunk(b"prVt", b"") * MAX_PARTS), "PNG")


# The key color: 100 x 100 pixels of it, with a square of another color in the middle.


def keyed(depth: int, color_type: int, key: tuple[int, ...], other: tuple[int, ...]) -> bytes:
    bits = "".join(f"{sample:0{depth}b}" for sample in key), "".join(f"{sample:0{depth}b}" for sample in other)
    rows = bytearray()
    for y in range(64):
        row = "".join(bits[16 <= x < 48 and 16 <= y < 48] for x in range(64))
        rows += b"\0" + int(row, 2).to_bytes(len(row) // 8, "big")
    before = png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    return png_of(64, 64, depth, color_type, bytes(rows), before=before)


@pytest.mark.parametrize(
    ("depth", "color_type", "key", "other", "gray"),
    [
        (1, 0, (0,), (1,), 255), (1, 0, (1,), (0,), 0), (2, 0, (1,), (2,), 170), (4, 0, (5,), (9,), 153),
        (8, 0, (77,), (78,), 78), (16, 0, (20_000,), (20_001,), 78), (16, 0, (256,), (512,), 2),
        (8, 2, (9, 8, 7), (9, 8, 6), 7), (16, 2, (20_000, 1, 2), (0, 1, 2), 0),
    ],
)  # fmt: skip
def test_the_key_color_is_white_at_every_depth(
    depth: int, color_type: int, key: tuple[int, ...], other: tuple[int, ...], gray: int
) -> None:
    result = decode(keyed(depth, color_type, key, other), 64, 64)
    assert result.getpixel((2, 2)) == result.getpixel((61, 61)) == (255, 255, 255)
    middle = result.convert("L").getpixel((32, 32))
    assert isinstance(middle, int | float)
    assert abs(middle - gray) <= 1


def test_a_key_for_a_kind_that_has_none_is_ignored() -> None:
    data = png_of(1, 1, 8, 6, bytes([0, 1, 2, 3, 255]), before=png_chunk(b"tRNS", bytes(6)))
    assert png.key(data) is None
    assert decode(data, 1, 1).tobytes() == bytes([1, 2, 3])
    short = png_of(1, 1, 8, 0, bytes([0, 5]), before=png_chunk(b"tRNS", b"\0"))
    assert png.key(short) is None


def test_an_animation_is_its_still_picture() -> None:
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    found = png.parts(encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    assert b"fdAT" not in found.file
    assert b"acTL" not in found.file
