"""Lossless WebP: how many groups of prefix codes a picture names, counted without decoding it."""

import random

import pytest
from PIL import Image

from benchmarks.robustness.lossless import lossless_webp
from serve.errors import UndecodableImageError
from serve.model import formats
from serve.model.formats import vp8l
from serve.model.preprocess import decode
from tests.serve.model.pictures import encoded, is_same, scene


def groups(webp: bytes) -> int:
    start = webp.index(b"VP8L") + 8
    size = int.from_bytes(webp[start + 1 : start + 5], "little")
    return vp8l.Reader(webp[start:], 40).groups((size & 0x3FFF) + 1, (size >> 14 & 0x3FFF) + 1)


@pytest.mark.parametrize(("side", "named"), [(64, 1), (64, 255), (64, 256), (256, 257), (256, 4096)])
def test_groups_are_counted(side: int, named: int) -> None:
    assert groups(lossless_webp(side, side, named)) == named


@pytest.mark.parametrize("method", range(7))
@pytest.mark.parametrize("kind", ["photo", "palette", "noise", "gray", "alpha"])
def test_an_encoders_files_have_few_and_are_taken(cat_jpeg: bytes, method: int, kind: str) -> None:
    """All transforms, color caches and both kinds of codes occur in these."""
    import io

    photo = Image.open(io.BytesIO(cat_jpeg)).convert("RGB")
    noise = Image.frombytes("RGB", (90, 70), random.Random(1).randbytes(90 * 70 * 3))
    image = {
        "photo": photo, "palette": photo.quantize(13).convert("RGB"), "noise": noise, "gray": photo.convert("L"),
        "alpha": Image.merge("RGBA", (*photo.split(), photo.getchannel(0))),
    }[kind]  # fmt: skip
    data = encoded(image.convert("RGBA" if kind == "alpha" else "RGB"), "WEBP", lossless=True, method=method)
    assert 1 <= groups(data) <= 40
    assert decode(data, 16, 16).size == (16, 16)


def test_a_megapixel_of_65536_groups_is_refused() -> None:
    """300 kB, which took 340 MB and 0.5 s."""
    with pytest.raises(UndecodableImageError, match="too many parts"):
        decode(lossless_webp(1024, 1024, 65_536), 8, 8)


def test_in_an_animation_and_in_alpha_they_count_too() -> None:
    many = lossless_webp(256, 256, 4096)
    picture = many[12:]
    frame = bytes(6) + (255).to_bytes(3, "little") * 2 + bytes(4) + picture
    head = b"VP8X\x0a\0\0\0\x02\0\0\0" + (255).to_bytes(3, "little") * 2 + b"ANIM\6\0\0\0" + bytes(6)
    body = b"WEBP" + head + b"ANMF" + len(frame).to_bytes(4, "little") + frame
    alpha = b"\1" + picture[8 + 5 :]
    color = encoded(Image.new("RGB", (256, 256)), "WEBP")[12:]
    head = b"VP8X\x0a\0\0\0\x10\0\0\0" + (255).to_bytes(3, "little") * 2
    alpha_chunk = b"ALPH" + len(alpha).to_bytes(4, "little") + alpha + bytes(len(alpha) & 1)
    for content in (body, b"WEBP" + head + alpha_chunk + color):
        with pytest.raises(UndecodableImageError, match="too many parts"):
            formats.parts(b"RIFF" + len(content).to_bytes(4, "little") + content, "WEBP")


def test_a_transform_comes_once() -> None:
    """A megabyte of them took three seconds; no decoder takes a second one of a kind."""
    green = 0b101  # there is a transform; its kind is 2, which has no content
    with pytest.raises(UndecodableImageError, match="broken"):
        vp8l.Reader((green | green << 3).to_bytes(1) + bytes(99), 0).groups(16, 16)


def test_of_a_frame_the_first_picture_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 10,000 took 0.2 s."""
    counted: list[int] = []
    groups = vp8l.Reader.groups

    def counting(reader: vp8l.Reader, width: int, height: int) -> int:
        counted.append(groups(reader, width, height))
        return counted[-1]

    monkeypatch.setattr(vp8l.Reader, "groups", counting)
    picture = lossless_webp(64, 64, 256)[12:]
    frame = bytes(6) + (63).to_bytes(3, "little") * 2 + bytes(4) + picture * 3
    head = b"VP8X\x0a\0\0\0\x02\0\0\0" + (63).to_bytes(3, "little") * 2 + b"ANIM\6\0\0\0" + bytes(6)
    body = b"WEBP" + head + (b"ANMF" + len(frame).to_bytes(4, "little") + frame) * 2
    data = b"RIFF" + len(body).to_bytes(4, "little") + body
    formats.parts(data, "WEBP")
    assert counted == [256]


def test_alpha_of_an_encoder_is_taken() -> None:
    image = scene((200, 150)).convert("RGBA")
    image.putalpha(Image.radial_gradient("L").resize(image.size))
    assert b"ALPH" in encoded(image, "WEBP")
    assert decode(encoded(image, "WEBP"), 16, 16).size == (16, 16)


@pytest.mark.parametrize("length", [0, 4, 6, 9, 20, 60])
def test_a_beginning_alone_is_broken(length: int) -> None:
    data = encoded(scene(), "WEBP", lossless=True)
    start = data.index(b"VP8L") + 8
    with pytest.raises(UndecodableImageError):
        vp8l.Reader(data[start : start + length], 40).groups(120, 90)


def test_any_bits_give_a_number_or_an_error() -> None:
    chance = random.Random(1)
    whole = encoded(scene(), "WEBP", lossless=True)
    start = whole.index(b"VP8L") + 8
    for _ in range(300):
        data = bytearray(whole[start:])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(5, 60)] = chance.randrange(256)
        try:
            assert vp8l.Reader(bytes(data), 40).groups(120, 90) >= 1
        except UndecodableImageError:
            continue


def test_what_is_counted_is_what_is_decoded() -> None:
    """The file is a picture, of one color."""
    assert is_same(decode(lossless_webp(64, 64, 256), 8, 8), Image.new("RGB", (8, 8)))
