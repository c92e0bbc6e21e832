"""Image bytes -> the pixels that the network sees: the one decode-and-resize, for train, convert and serve.

A model is only as good as the match between the pixels it was trained on and the pixels it is served. So there is
one function, and everything goes through it. The photo is squeezed to the network's input, whatever its shape,
because the training set (TFDS `cats_vs_dogs`) is used that way too. Colors are taken as sRGB: a profile (ICC) inside
the file is left alone, as it was in training.

The bytes come from strangers. What a file may cost is decided from its header, before its pixels are decoded; the
figures behind the limits are in docs/security.md.
"""

import importlib
import io
import re
import struct
import warnings
from typing import IO, Final

from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from serve.errors import ImageTooLargeError, UndecodableImageError, UnsupportedImageTypeError

PREPROCESSING_VERSION: Final = 1
"""Raise it with every change that changes pixels: the photo cache of training depends on it.

The tests hold golden pixels for each version. Pillow's version changes pixels too; the cache depends on it as well."""

MAX_IMAGE_PIXELS: Final = 50_000_000
"""The default ceiling on a photo's width x height, from its header, before anything is decoded."""

MAX_SIDE: Final = 65_535
"""In pixels; JPEG's own limit. A resize's tables grow with the sides: a line of 20 million pixels takes 380 MB."""

_MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}
# ISO/IEC 23008-12, annex B, and the AVIF specification, section 6: "mif1" and "msf1" may be either.
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_EITHER_BRANDS: Final = frozenset({b"mif1", b"msf1"})
_EXIF_ORIENTATION: Final = 0x0112
# EXIF 2.32, tag 0x0112: how the stored rows and columns are to be turned to stand upright.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_AXES: Final = frozenset(_UPRIGHT[orientation] for orientation in (5, 6, 7, 8))
# libjpeg can decode at 1/2, 1/4 or 1/8 of the size, many times faster. At twice the wanted size or more, the
# resize that follows still has pixels to average, and accuracy stays what it was.
_DRAFT_OVERSAMPLING: Final = 2
MARGIN: Final = 1.25
"""How much larger than the result a photo is on its way there, on each side.

What a photo from a phone shows of fur and whiskers in so few pixels is sharper than what the photos of the training
set show, which were stored at that size. By way of the same size, they are equally soft: fewer photos from
elsewhere are mistaken."""

# Beyond six times the wanted size, whole blocks of pixels are averaged first: a fourth of the time, the same picture.
_REDUCING_GAP: Final = 3.0

# What decoding takes at its peak, in bytes for each pixel of the header, measured (docs/security.md). `max_pixels` of
# a JPEG with three full-size channels at 1/4 scale is the measure: 3 x 2 bytes of coefficients, 4 / 16 of pixels.
_BYTES_ALLOWED: Final = 6.25
_BYTES_OPAQUE: Final = 6
_BYTES_TRANSPARENT: Final = 12  # as stored, as RGBA, and with the alpha multiplied in
_BYTES_BY_FORMAT: Final = {"WEBP": 17, "AVIF": 20}
_JPEG_FORMATS: Final = frozenset({"JPEG", "MPO"})  # MPO: several JPEGs in one file, as phones write them
_JPEG_COEFFICIENT_BYTES: Final = 2
# A progressive JPEG of 50 megapixels takes 3 ms for each scan, and 70 bytes suffice for one. Encoders write 10 or so.
_MAX_JPEG_SCANS: Final = 200
_START_OF_SCAN: Final = re.compile(rb"\xff\xda")
# Each small read of a parser stands for a segment, a chunk, a comment that it keeps: 10 MB of nothing but these took
# half a minute and 340 MB. A photo of 10 MB needs 640 reads for its header, and 4 for each chunk of its pixels.
_MAX_HEADER_READS: Final = 10_000
_MAX_PIXEL_READS: Final = 500_000

# What Pillow raises on broken files, seen by fuzzing or in its source: it parses with struct, indexes and assertions.
_BROKEN_FILE: Final = (
    ArithmeticError, AssertionError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, struct.error,
)  # fmt: skip

_LATE_PLUGINS: Final = {"WEBP": "PIL.WebPImagePlugin", "AVIF": "PIL.AvifImagePlugin"}
# Pillow's own ceiling (89 megapixels) stands behind ours: it knows sizes that appear only while a file is parsed.
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Compressed text in a PNG, for all chunks together, in characters: Pillow would keep 64 Mi, at up to 4 bytes each.
_MAX_PNG_TEXT: Final = 4 * 1024 * 1024


def sniff(data: bytes) -> str | None:
    """The format that the first bytes tell, by Pillow's name, "HEIF" or None. Names and types are not trusted."""
    for start, image_format in _MAGIC.items():
        if data.startswith(start):
            return image_format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return _sniff_heif(data) if data[4:8] == b"ftyp" else None


def _sniff_heif(data: bytes) -> str | None:
    brand = data[8:12]
    if brand in _AVIF_BRANDS or (brand in _EITHER_BRANDS and b"avif" in data[16:64]):
        return "AVIF"
    return "HEIF" if brand in _HEIF_BRANDS | _EITHER_BRANDS else None


def decode(
    data: bytes, height: int, width: int, *, max_pixels: int = MAX_IMAGE_PIXELS, with_margin: bool = False
) -> Image.Image:
    """Decode a JPEG, PNG, WebP, GIF, BMP or AVIF file, stand it upright, and resize it by way of `MARGIN`.

    Args:
        data: the file, encoded. Of an animation, the first frame counts.
        height, width: of the result, in pixels.
        max_pixels: a photo with more (width x height, as its header says) is refused before it is decoded. Formats
            that take more memory a pixel than JPEG get a share of it. More than Pillow's own limit
            (`PIL.Image.MAX_IMAGE_PIXELS`, 89 million) has no effect.
        with_margin: stop on the way, `MARGIN` times as high and as wide: for training, which crops.

    Returns:
        An image of mode RGB, `width` x `height`; its `tobytes()` are what the network takes. Transparency is laid
        over white.

    Raises:
        UnsupportedImageTypeError: the bytes are of no format that is taken here.
        ImageTooLargeError: more than `max_pixels`.
        UndecodableImageError: broken or truncated.
    """
    image_format = _taken_format(data)
    try:
        with _open(data, image_format) as image:
            return _to_rgb(image, height, width, max_pixels, with_margin=with_margin)
    except UnidentifiedImageError as error:
        raise UndecodableImageError(f"The {image_format} image cannot be read: its header is broken.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(f"The {image_format} image has too many pixels: send a smaller one.") from error
    except _BROKEN_FILE as error:
        raise UndecodableImageError(
            f"The {image_format} image cannot be decoded: it is broken or truncated."
        ) from error


def _taken_format(data: bytes) -> str:
    image_format = sniff(data)
    if image_format == "HEIF":
        raise UnsupportedImageTypeError("The photo is in HEIC format, as iPhones keep them: convert it to JPEG first.")
    if image_format is None or not _is_supported(image_format):
        raise UnsupportedImageTypeError(
            "The bytes are not a JPEG, PNG, WebP, GIF, BMP or AVIF image: send one of these."
        )
    return image_format


def _is_supported(image_format: str) -> bool:
    """Whether this Pillow can decode it; it may have been built without AVIF."""
    name = _LATE_PLUGINS.get(image_format)
    # The one plugin: left to itself, Pillow imports all forty of them to find it.
    return name is None or bool(importlib.import_module(name).SUPPORTED)


def _open(data: bytes, image_format: str) -> Image.Image:
    """The image, its header parsed."""
    if image_format == "JPEG" and _scans(data) > _MAX_JPEG_SCANS:
        raise UndecodableImageError("The JPEG image has too many scans: save it anew.")
    file = _MeteredFile(data)
    image = _opened_jpeg(file) if image_format == "JPEG" else _opened(file, image_format)
    file.reads_left = _MAX_PIXEL_READS
    return image


def _opened_jpeg(file: IO[bytes]) -> Image.Image:
    """As `Image.open` does it, but `Image.open` loads other plugins first: most requests bring a JPEG."""
    try:
        return JpegImagePlugin.jpeg_factory(file)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError from error


def _opened(file: IO[bytes], image_format: str) -> Image.Image:
    from PIL import PngImagePlugin

    PngImagePlugin.MAX_TEXT_MEMORY = _MAX_PNG_TEXT
    return Image.open(file, formats=[image_format])


def _scans(data: bytes) -> int:
    """How many scans a JPEG has at most: how often FF DA occurs. Inside a scan it does not: FF is stuffed there."""
    return sum(1 for _ in _START_OF_SCAN.finditer(data))  # three times as fast as bytes.count


class _MeteredFile(io.BytesIO):
    """A file in memory that can be read only so many times."""

    reads_left = _MAX_HEADER_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise UndecodableImageError("The image consists of too many parts: save it anew.")
        return super().read(size)


def _to_rgb(image: Image.Image, height: int, width: int, max_pixels: int, *, with_margin: bool) -> Image.Image:
    header_size = image.size
    image.draft("RGB", (max(height, width) * _DRAFT_OVERSAMPLING,) * 2)
    _refuse_too_large(image, header_size, max_pixels)
    image.load()
    upright = _upright(image)
    # Turned after the resize, when there is less to turn: so a photo lying on its side is resized lying.
    size = (height, width) if upright in _SWAPS_AXES else (width, height)
    larger = (round(size[0] * MARGIN), round(size[1] * MARGIN))
    image = _resizable(image).resize(larger, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    if not with_margin:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return _over_white(image if upright is None else image.transpose(upright))


def _refuse_too_large(image: Image.Image, header_size: tuple[int, int], max_pixels: int) -> None:
    """Raise ImageTooLargeError for what would take too much memory at the scale that has been chosen for it."""
    width, height = header_size
    pixels = width * height
    max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    most = min(max_pixels, int(max_pixels * _BYTES_ALLOWED / _bytes_per_pixel(image, pixels)))
    if pixels > most or max(header_size) > MAX_SIDE:
        raise ImageTooLargeError(
            f"The image has {width} x {height} pixels; of its kind, at most {most:,} are taken, and "
            f"{MAX_SIDE:,} on a side: send a smaller one."
        )


def _bytes_per_pixel(image: Image.Image, pixels: int) -> float:
    """What decoding takes at its peak, in bytes for each of `pixels`, those of the header."""
    if image.format in _JPEG_FORMATS:
        decoded = 4 * image.width * image.height / pixels
        # Progressive, or in several scans, which the header does not tell.
        return _JPEG_COEFFICIENT_BYTES * len(image.getbands()) + decoded
    if image.format in _BYTES_BY_FORMAT:
        return _BYTES_BY_FORMAT[image.format]
    return _BYTES_TRANSPARENT if _is_transparent(image) else _BYTES_OPAQUE


def _is_transparent(image: Image.Image) -> bool:
    return "transparency" in image.info or image.mode in ("LA", "RGBA")


def _upright(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _BROKEN_FILE:  # the pixels are still there
        return None


def _resizable(image: Image.Image) -> Image.Image:
    """The image in a mode whose samples can be averaged: not palette indexes, not bits, not 16 bits."""
    if image.mode.startswith("I"):  # 16-bit grayscale; convert("L") would clip it, not scale it
        return Image.frombytes("L", image.size, image.tobytes(), "raw", "L;16")  # the high bytes
    if _is_transparent(image):
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA"):
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background
    return image.convert("RGB")
