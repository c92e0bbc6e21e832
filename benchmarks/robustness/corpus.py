"""Small valid image files of every format and mode that is taken, and mutations of bytes: for fuzzing and the soak."""

import io
import random
import zlib
from typing import Any, Final

from PIL import Image

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_ODD_BYTES: Final = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


def image_files(size: tuple[int, int] = (12, 9)) -> dict[str, bytes]:
    """Valid files by what is special about each; `size` is (width, height) in pixels."""
    gray = Image.linear_gradient("L").resize(size)
    rgb = Image.merge("RGB", (gray, gray.transpose(Image.Transpose.ROTATE_180), gray))
    rgba = rgb.copy()
    rgba.putalpha(gray)
    palette = rgb.quantize(16)
    return _jpegs(gray, rgb) | _pngs(gray, rgb, rgba, palette) | _others(gray, rgb, rgba, palette) | _heics(rgb, rgba)


def _jpegs(gray: Image.Image, rgb: Image.Image) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": encoded(rgb, "JPEG"),
        "jpeg-gray": encoded(gray, "JPEG"),
        "jpeg-cmyk": encoded(rgb.convert("CMYK"), "JPEG"),
        "jpeg-progressive": encoded(rgb, "JPEG", progressive=True),
        "jpeg-exif": encoded(rgb, "JPEG", exif=exif),
        "jpeg-mpo": encoded(rgb, "MPO", save_all=True, append_images=[rgb]),
    }


def _pngs(gray: Image.Image, rgb: Image.Image, rgba: Image.Image, palette: Image.Image) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 8
    return {
        "png": encoded(rgb, "PNG", exif=exif),
        "png-gray": encoded(gray, "PNG", transparency=3),
        "png-gray-alpha": encoded(Image.merge("LA", (gray, gray)), "PNG"),
        "png-alpha": encoded(rgba, "PNG"),
        "png-palette": encoded(palette, "PNG", transparency=2),
        "png-bits": encoded(gray.convert("1"), "PNG"),
        "png-16-bit": encoded(gray.convert("I;16"), "PNG"),
        "png-profile": encoded(rgb, "PNG", icc_profile=_profile()),
        "png-animated": encoded(rgb, "PNG", save_all=True, append_images=[rgb.transpose(Image.Transpose.ROTATE_180)]),
    }


def _others(gray: Image.Image, rgb: Image.Image, rgba: Image.Image, palette: Image.Image) -> dict[str, bytes]:
    second = rgb.transpose(Image.Transpose.ROTATE_180)
    return {
        "webp": encoded(rgb, "WEBP"),
        "webp-lossless": encoded(rgba, "WEBP", lossless=True),
        "webp-animated": encoded(rgb, "WEBP", save_all=True, append_images=[second]),
        "gif": encoded(palette, "GIF"),
        "gif-gray": encoded(gray, "GIF"),
        "gif-animated": encoded(palette, "GIF", save_all=True, append_images=[second], transparency=1, disposal=2),
        "bmp": encoded(rgb, "BMP"),
        "bmp-palette": encoded(palette, "BMP"),
        "bmp-bits": encoded(gray.convert("1"), "BMP"),
        "bmp-alpha": encoded(rgba, "BMP"),
        "avif": encoded(rgb, "AVIF"),
        "avif-alpha": encoded(rgba, "AVIF"),
    }


def _heics(rgb: Image.Image, rgba: Image.Image) -> dict[str, bytes]:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return {"heic": encoded(rgb, "HEIF"), "heic-alpha": encoded(rgba, "HEIF")}


def _profile() -> bytes:
    """A color profile under a name that is not sRGB's, which would be left alone."""
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    srgb = srgb[:24] + bytes(12) + srgb[36:]  # without the time of day
    return srgb.replace(b"sRGB", b"none").replace("sRGB".encode("utf-16-be"), "none".encode("utf-16-be"))


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The image as a file of a Pillow format, with the format's own options."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def mutated(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """`data` after one to eight random edits, some with material from `other`; checksums of a PNG put right or not."""
    edited = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        _edit(edited, other, chance)
    result = bytes(edited)
    # Otherwise a wrong checksum ends the decoding of nearly every edited PNG.
    return with_png_checksums(result) if result.startswith(_PNG_SIGNATURE) and chance.random() < 0.9 else result


def _edit(data: bytearray, other: bytes, chance: random.Random) -> None:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((1, 1, 2, 4, 8, 64)))
    kind = chance.randrange(8)
    if kind < 3:
        data[start:end] = chance.randbytes(end - start)
    elif kind == 3:
        data[start:end] = bytes([chance.choice(_ODD_BYTES)]) * (end - start)
    elif kind == 4:
        data[start:end] = (chance.getrandbits(2 ** chance.randrange(5))).to_bytes(4, chance.choice(("big", "little")))
    elif kind == 5:
        del data[start:end]
    elif kind == 6:
        data[start:start] = data[start:end] * chance.choice((1, 2, 9))
    else:
        cut = chance.randrange(len(other) + 1)
        data[start:] = other[cut:] if chance.random() < 0.5 else b""


def with_png_checksums(data: bytes) -> bytes:
    """The chunks of a PNG with their CRC as it should be (PNG specification, 5.3), as far as they can be followed."""
    result, position = bytearray(data), len(_PNG_SIGNATURE)
    while position + 12 <= len(result):
        end = position + 8 + int.from_bytes(result[position : position + 4], "big")
        if end + 4 > len(result):
            break
        result[end : end + 4] = zlib.crc32(result[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(result)
