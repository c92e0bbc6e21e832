"""The pixels of program-made pictures, of every kind that is taken, are those that `PREPROCESSING_VERSION` stands for.

Photos that were decoded for training are kept under that version. Where a digest changes, change the version and put
the new digests below. The encoders and decoders are Pillow's: the digests hold for the Pillow of `requirements/`.
"""

import functools
import hashlib
import io
import zlib
from typing import Any

import pytest
from PIL import Image

from serve.model.preprocess import PREPROCESSING_VERSION, decode


@functools.cache
def channels(width: int, height: int) -> tuple[bytes, bytes, bytes]:
    """Red, green and blue, built of whole rows: the largest picture has seven million pixels."""
    added = [bytes((value + y) % 256 for value in range(256)) for y in range(256)]
    slope = bytes(3 * x % 256 for x in range(width))
    squares = [bytes(255 * ((x // 20 + odd) % 2) for x in range(width)) for odd in (0, 1)]
    return (
        b"".join(slope.translate(added[y % 256]) for y in range(height)),
        b"".join(squares[y // 20 % 2] for y in range(height)),
        b"".join(
            bytes(product // 97 & 255 for product in range(0, width * y, y or 1)).ljust(width, b"\0")
            for y in range(height)
        ),
    )


def scene(mode: str = "RGB", size: tuple[int, int] = (250, 190)) -> Image.Image:
    """Slopes, edges and some texture, the same on every machine."""
    width, height = size
    image = Image.merge("RGB", [Image.frombytes("L", size, channel) for channel in channels(*size)])
    if mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(Image.frombytes("L", size, bytes(x % 256 for _ in range(height) for x in range(width))))
        return image
    return image.quantize(32, dither=Image.Dither.NONE) if mode == "P" else image.convert(mode)


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(scene(), "JPEG", exif=exif)


def png_of_16_bits(color_type: int, channels: int) -> bytes:
    """200 x 150 samples of 16 bits, whose low bytes count for nothing."""
    chunks = b"\x89PNG\r\n\x1a\n"
    rows = b"".join(
        b"\0" + b"".join(((x * 300 + y * 77) % 65_536).to_bytes(2, "big") * channels for x in range(200))
        for y in range(150)
    )
    header = (200).to_bytes(4, "big") + (150).to_bytes(4, "big") + bytes([16, color_type, 0, 0, 0])
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        body = kind + content
        chunks += len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return chunks


@functools.cache
def files() -> dict[str, bytes]:
    """Encoded pictures by what is special about each."""
    rgb, large = scene(), scene(size=(1300, 900))
    second = rgb.transpose(Image.Transpose.ROTATE_180)
    return {
        "JPEG": encoded(rgb, "JPEG"),
        "JPEG 4:4:4": encoded(rgb, "JPEG", quality=92, subsampling=0),
        "JPEG progressive": encoded(rgb, "JPEG", progressive=True),
        "JPEG gray": encoded(scene("L"), "JPEG"),
        "JPEG CMYK": encoded(scene("CMYK"), "JPEG"),
        "JPEG at half scale": encoded(large, "JPEG"),
        "JPEG at an eighth": encoded(scene(size=(2600, 2700)), "JPEG"),
        **{f"JPEG orientation {orientation}": turned(orientation) for orientation in range(2, 9)},
        "MPO": encoded(rgb, "MPO", save_all=True, append_images=[second]),
        "PNG": encoded(rgb, "PNG"),
        "PNG averaged first": encoded(large, "PNG"),
        "PNG gray": encoded(scene("L"), "PNG"),
        "PNG bits": encoded(scene("1"), "PNG"),
        "PNG palette": encoded(scene("P"), "PNG"),
        "PNG palette, transparent": encoded(scene("P"), "PNG", transparency=3),
        "PNG RGBA": encoded(scene("RGBA"), "PNG"),
        "PNG gray alpha": encoded(scene("LA"), "PNG"),
        "PNG gray key": encoded(scene("L"), "PNG", transparency=90),
        "PNG color key": encoded(rgb, "PNG", transparency=(0, 255, 0)),
        "PNG 16-bit gray": png_of_16_bits(0, 1),
        "PNG 16-bit RGB": png_of_16_bits(2, 3),
        "PNG 16-bit RGBA": png_of_16_bits(6, 4),
        "GIF": encoded(scene("P"), "GIF"),
        "GIF transparent": encoded(scene("P"), "GIF", transparency=3),
        "GIF animated": encoded(scene("P"), "GIF", save_all=True, append_images=[second]),
        "BMP": encoded(rgb, "BMP"),
        "BMP palette": encoded(scene("P"), "BMP"),
        "BMP RGBA": encoded(scene("RGBA"), "BMP"),
        "WebP": encoded(rgb, "WEBP"),
        "WebP lossless": encoded(scene("RGBA"), "WEBP", lossless=True),
        "AVIF": encoded(rgb, "AVIF"),
        "AVIF with alpha": encoded(scene("RGBA"), "AVIF"),
    }


# By version: the digest of the pixels, and of those with the margin.
DIGESTS = {
    3: {
        "JPEG": ["7734d56fa30f1255", "cba51564500d69c4"],
        "JPEG 4:4:4": ["b42cbc4f6d466a9d", "79c6b146387c47dd"],
        "JPEG progressive": ["7734d56fa30f1255", "cba51564500d69c4"],
        "JPEG gray": ["792bf538962ea684", "f3e30f6858202086"],
        "JPEG CMYK": ["0ea9be20358b6716", "99782afe1c0ee66a"],
        "JPEG at half scale": ["be0841cb4892dfbc", "6e96b4db643686ba"],
        "JPEG at an eighth": ["ee6b565672f9696f", "7e1bb4e262292dc4"],
        "JPEG orientation 2": ["7cba50f3afa985de", "83a842e36184b721"],
        "JPEG orientation 3": ["6ec5c351e21f0b95", "c59c000570aa7c24"],
        "JPEG orientation 4": ["c1044aa9435a2e47", "dc49b7f670e72918"],
        "JPEG orientation 5": ["c4f8d6c401426644", "2af11fe8e9f251aa"],
        "JPEG orientation 6": ["b061f4653c9a9fed", "61c6d1177120c325"],
        "JPEG orientation 7": ["355d42e19b4de90f", "56f9a0bcf0f5dc8d"],
        "JPEG orientation 8": ["f28523a94f20f8ed", "bc5bf8b439c7934a"],
        "MPO": ["7734d56fa30f1255", "cba51564500d69c4"],
        "PNG": ["b7a3cb4cadccb077", "303d0f133db5a913"],
        "PNG averaged first": ["e0bd6f4c92831627", "93b00f98a23a83b0"],
        "PNG gray": ["487c102155174215", "8f9ea1fa41248463"],
        "PNG bits": ["0a63241028a5d893", "e0070979e8035531"],
        "PNG palette": ["48a0b14ac34fe8ca", "538fff46238ccdad"],
        "PNG palette, transparent": ["826c4c0ba5b8550f", "a7b22673a38cd0a6"],
        "PNG RGBA": ["e83ca070e2eb39fc", "f7692b982f4aaf3a"],
        "PNG gray alpha": ["bf15ceafa2f51675", "45aed45005692c04"],
        "PNG gray key": ["42a03764b8a7b79e", "f1db2699507b8fb3"],
        "PNG color key": ["c60fb4775c12de6e", "339539b4027c0ebc"],
        "PNG 16-bit gray": ["82f21f1a7f87ae68", "c2b68a3ec69f2727"],
        "PNG 16-bit RGB": ["82f21f1a7f87ae68", "c2b68a3ec69f2727"],
        "PNG 16-bit RGBA": ["008ea358fecdb9fa", "fcfdd654c5775672"],
        "GIF": ["48a0b14ac34fe8ca", "538fff46238ccdad"],
        "GIF transparent": ["826c4c0ba5b8550f", "a7b22673a38cd0a6"],
        "GIF animated": ["48a0b14ac34fe8ca", "538fff46238ccdad"],
        "BMP": ["b7a3cb4cadccb077", "303d0f133db5a913"],
        "BMP palette": ["48a0b14ac34fe8ca", "538fff46238ccdad"],
        "BMP RGBA": ["b7a3cb4cadccb077", "303d0f133db5a913"],
        "WebP": ["7ed290dc60faea85", "c23a7f0a63d79fa1"],
        "WebP lossless": ["e83ca070e2eb39fc", "f7692b982f4aaf3a"],
        "AVIF": ["8e43bbc1a9214728", "5e7353adcf6bd132"],
        "AVIF with alpha": ["09012988f108f053", "2f12655f23455f7a"],
    }
}


def digest(pixels: bytes) -> str:
    return hashlib.sha256(pixels).hexdigest()[:16]


@pytest.mark.parametrize("name", DIGESTS[PREPROCESSING_VERSION])
def test_the_pixels_are_those_of_the_version(name: str) -> None:
    file = files()[name]
    pixels = decode(file, 96, 128), decode(file, 96, 128, with_margin=True)
    assert [digest(one.tobytes()) for one in pixels] == DIGESTS[PREPROCESSING_VERSION][name]


def test_every_picture_has_its_pixels() -> None:
    assert files().keys() == DIGESTS[PREPROCESSING_VERSION].keys()
