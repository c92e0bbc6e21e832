"""Color profiles: a picture in another color space comes out as it looks; a broken profile changes nothing."""

import random
import struct
from collections.abc import Callable

import pytest
from PIL import Image

from benchmarks.robustness.costly import lut_profile
from serve.model import color
from serve.model.formats import MAX_PROFILE_BYTES
from serve.model.preprocess import decode
from tests.serve.model.pictures import difference, encoded, is_same, scene

Colorants = dict[str, tuple[float, float, float]]

SRGB_COLORANTS = {"r": (0.4361, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7141)}
# Adapted to D50, as ICC.1 wants them: Display P3 (SMPTE EG 432-1, D65).
P3_COLORANTS = {"r": (0.5151, 0.2412, -0.0011), "g": (0.2920, 0.6922, 0.0419), "b": (0.1571, 0.0666, 0.7841)}


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65_536))


def profile(colorants: Colorants, gamma: float, space: bytes = b"RGB ") -> bytes:
    """A matrix profile of version 2 (ICC.1:2001-04): colorants as XYZ, one gamma for all channels."""
    white = b"XYZ \0\0\0\0" + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"wtpt": white}
    if space == b"RGB ":
        tags |= {f"{name}XYZ".encode(): b"XYZ \0\0\0\0" + b"".join(map(fixed, xyz)) for name, xyz in colorants.items()}
        tags |= {f"{name}TRC".encode(): curve for name in colorants}
    else:
        tags[b"kTRC"] = curve
    position, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", position + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    whole = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(">I", 128 + len(whole)) + bytes(4) + b"\2\x20\0\0mntr" + space + b"XYZ " + bytes(12) + b"acsp"
    head += bytes(28) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    return head + bytes(128 - len(head)) + whole


def turned(colorants: Colorants) -> Colorants:
    return {"r": colorants["g"], "g": colorants["b"], "b": colorants["r"]}


def curve(exponent: float) -> Callable[[int], float]:
    return lambda value: round(255 * (value / 255) ** exponent)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return scene((300, 200))


@pytest.fixture(scope="module")
def expected(picture: Image.Image) -> Image.Image:
    return decode(encoded(picture, "PNG"), 64, 64)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_channels_that_a_profile_turns_are_turned_back(
    picture: Image.Image, expected: Image.Image, image_format: str
) -> None:
    red, green, blue = picture.split()
    stored = Image.merge("RGB", (green, blue, red))
    data = encoded(stored, image_format, icc_profile=profile(turned(SRGB_COLORANTS), 2.2), quality=95)
    assert difference(decode(encoded(stored, image_format, quality=95), 64, 64), expected) > 30
    assert difference(decode(data, 64, 64), expected) < 3


def test_another_gamma_is_undone(picture: Image.Image, expected: Image.Image) -> None:
    data = encoded(picture.point(curve(2.2 / 1.8)), "PNG", icc_profile=profile(SRGB_COLORANTS, 1.8))
    assert difference(decode(data, 64, 64), expected) < 3


def test_a_display_p3_photo_is_more_colorful_than_its_numbers(picture: Image.Image) -> None:
    """(200, 80, 40) in Display P3, by the colorants above and sRGB's curve, is (213, 70, 20) or so in sRGB."""
    data = encoded(Image.new("RGB", (50, 50), (200, 80, 40)), "PNG", icc_profile=profile(P3_COLORANTS, 2.2))
    red, green, blue = decode(data, 8, 8).tobytes()[:3]
    assert (red > 208, green < 78, blue < 35) == (True, True, True)
    gray = encoded(Image.new("RGB", (50, 50), (128, 128, 128)), "PNG", icc_profile=profile(P3_COLORANTS, 2.2))
    assert all(abs(value - 128) <= 3 for value in decode(gray, 8, 8).tobytes()[:3])


def test_alpha_stays_as_it_is(picture: Image.Image) -> None:
    image = picture.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    with_profile = encoded(image, "PNG", icc_profile=profile(SRGB_COLORANTS, 2.2))
    assert difference(decode(with_profile, 64, 64), decode(encoded(image, "PNG"), 64, 64)) < 3


def test_a_gray_profile_is_for_gray_photos(picture: Image.Image) -> None:
    gray = picture.convert("L")
    expected = decode(encoded(gray, "PNG"), 64, 64)
    data = encoded(gray.point(curve(2.2 / 1.4)), "PNG", icc_profile=profile({}, 1.4, b"GRAY"))
    assert difference(decode(data, 64, 64), expected) < 3
    for image, wrong in ((picture, profile({}, 1.4, b"GRAY")), (gray, profile(SRGB_COLORANTS, 1.8))):
        assert is_same(decode(encoded(image, "PNG", icc_profile=wrong), 64, 64), decode(encoded(image, "PNG"), 64, 64))


def test_a_profile_of_srgb_changes_no_pixel(picture: Image.Image, expected: Image.Image) -> None:
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert is_same(decode(encoded(picture, "PNG", icc_profile=srgb), 64, 64), expected)


@pytest.mark.parametrize("length", [0, 1, 100, 131, 200, 300])
def test_a_truncated_profile_is_ignored(picture: Image.Image, expected: Image.Image, length: int) -> None:
    data = encoded(picture, "PNG", icc_profile=profile(turned(SRGB_COLORANTS), 2.2)[:length])
    assert is_same(decode(data, 64, 64), expected)


def test_a_profile_of_random_bytes_gives_a_picture(picture: Image.Image) -> None:
    chance = random.Random(1)
    whole = profile(turned(SRGB_COLORANTS), 2.2)
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        assert decode(encoded(picture, "PNG", icc_profile=bytes(broken)), 16, 16).size == (16, 16)


def test_an_absurdly_large_profile_is_ignored(picture: Image.Image, expected: Image.Image) -> None:
    large = profile(turned(SRGB_COLORANTS), 2.2) + bytes(MAX_PROFILE_BYTES)
    assert is_same(decode(encoded(picture, "PNG", icc_profile=large), 64, 64), expected)


def test_transforms_are_kept() -> None:
    color._transform.cache_clear()
    data = encoded(scene(), "PNG", icc_profile=profile(P3_COLORANTS, 2.2))
    for _ in range(3):
        decode(data, 16, 16)
    assert color._transform.cache_info()[:2] == (2, 1)


def with_tags(whole: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile with more tags."""
    count = int.from_bytes(whole[128:132], "big")
    moved = 12 * len(tags)
    table, end, rest = b"", len(whole) + moved, b""
    for place in range(132, 132 + 12 * count, 12):
        offset = int.from_bytes(whole[place + 4 : place + 8], "big") + moved
        table += whole[place : place + 4] + offset.to_bytes(4, "big") + whole[place + 8 : place + 12]
    for name, content in tags.items():
        table += name + (end + len(rest)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        rest += content
    head = (len(whole) + moved + len(rest)).to_bytes(4, "big") + whole[4:128] + (count + len(tags)).to_bytes(4, "big")
    return head + table + whole[132 + 12 * count :] + rest


ELEMENTS = b"mpet\0\0\0\0\0\3\0\3" + struct.pack(">I", 1) + struct.pack(">II", 24, 60)
ELEMENTS += b"matf\0\0\0\0\0\3\0\3" + struct.pack(">12f", *(0, 1, 0, 0, 0, 1, 1, 0, 0), *(0, 0, 0))
"""One matrix, which swaps the channels."""


def test_elements_are_not_used_and_the_other_tags_are() -> None:
    """A kilobyte of them took two seconds, two kilobytes more than eleven."""
    plain = profile(P3_COLORANTS, 2.2)
    image = Image.new("RGB", (4, 4), (200, 60, 30))
    expected = color.to_srgb(image, plain).getpixel((0, 0))
    assert expected != (200, 60, 30)
    for names in ([b"D2B0"], [b"D2B0", b"B2D0", b"D2B3"]):
        more = with_tags(plain, dict.fromkeys(names, ELEMENTS))
        assert color.to_srgb(image, more).getpixel((0, 0)) == expected


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-be"])
@pytest.mark.parametrize(
    "name", ["Display P3 Gamut with sRGB Transfer", "sRGB Gamut with Linear Transfer", "GIMP built-in Linear sRGB"]
)
def test_a_name_that_mentions_srgb_may_be_of_another_space(name: str, encoding: str) -> None:
    image, plain = Image.new("RGB", (4, 4), (200, 60, 30)), profile(P3_COLORANTS, 1.0)
    named = with_tags(plain, {b"desc": b"desc" + bytes(8) + name.encode(encoding)})
    assert color.to_srgb(image, named).getpixel((0, 0)) == color.to_srgb(image, plain).getpixel((0, 0)) != (200, 60, 30)
    other = with_tags(plain, {b"desc": b"desc" + bytes(8) + "sRGB IEC61966-2.1".encode(encoding)})
    assert color.to_srgb(image, other) is image


def test_a_profile_of_more_tags_than_are_read_is_not_used() -> None:
    many = with_tags(profile(P3_COLORANTS, 2.2), {f"x{number:03}".encode(): ELEMENTS for number in range(100)})
    assert color._transform(many, "RGB") is None


@pytest.mark.parametrize("length", [0, 3, 128, 130, 132, 140, 144])
def test_the_beginning_of_a_profile_is_no_profile(length: int) -> None:
    assert color._transform(lut_profile(2, 2)[:length], "RGB") is None
