"""The parts of an image file -> a Pillow image, whose header is read and whose pixels are not yet decoded."""

import importlib
import io
import logging
import struct
import warnings
from typing import Any, Final

from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from serve.model.formats import Parts, broken, jpeg, too_many_parts

_CLASSES: Final = {
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIF": ("pi_heif", "HeifImageFile"),
}
# What decoders raise on broken files, seen by fuzzing or in their source: struct, indexes and assertions among others.
BROKEN_FILE: Final = (
    ArithmeticError, AssertionError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, struct.error,
)  # fmt: skip
# Each small read of a parser stands for a piece that it keeps, or for a step of a decoder that is written in Python.
_MAX_HEADER_READS: Final = 10_000
_MAX_PIXEL_READS: Final = 500_000
_CHECKED_PIXELS: Final = 1_000_000
_PADDING: Final = bytes(place * 89 % 251 for place in range(256))  # arbitrary bits, without FF

# Pillow's own ceiling (89 megapixels) stands behind ours: it knows sizes that appear only while a file is parsed.
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Of broken metadata Pillow warns once for each piece: a photo must not write the log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.|pi_heif")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


def is_installed(image_format: str) -> bool:
    """Whether this environment can decode the format: Pillow may have been built without AVIF."""
    if image_format == "JPEG":
        return True
    try:
        module = importlib.import_module(_CLASSES[image_format][0])
    except ImportError:
        return False
    return bool(getattr(module, "SUPPORTED", True))


def open_image(parts: Parts, image_format: str) -> Image.Image:
    """The image, its header parsed by the one decoder: `Image.open` would load five formats first.

    Raises:
        UnidentifiedImageError: the header is broken.
    """
    file = _MeteredFile(parts.file)
    try:
        image: Image.Image = _class(image_format)(file)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError from error
    file.reads_left = _MAX_PIXEL_READS
    return image


def load(image: Image.Image, parts: Parts, image_format: str) -> Image.Image:
    """The image, its pixels decoded; a JPEG that lacks only its end marker too.

    Raises:
        UndecodableImageError: the JPEG lacks more than that.
    """
    if image_format != "JPEG" or jpeg.has_end(parts.file):
        image.load()
        return image
    # Where bits are missing, what is read in their place makes the pixels; where none are, it makes no difference.
    # One after the other: two at once would take twice the memory.
    file = parts.file.rstrip(b"\xff")
    checksum = _checksum(_at_scale_of(image, file + b"\xff\xd9"))
    padded = _at_scale_of(image, file + _PADDING + b"\xff\xd9")
    if _checksum(padded) != checksum:
        raise broken(image_format)
    return padded


def _checksum(image: Image.Image) -> int:
    """Of the pixels, some rows at a time: `tobytes` copies."""
    import zlib  # which no whole photo needs

    checksum, rows = 0, max(1, _CHECKED_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        checksum = zlib.crc32(strip.tobytes(), checksum)
    return checksum


def _at_scale_of(image: Image.Image, data: bytes) -> Image.Image:
    """A JPEG, decoded at the scale of another one of the same size."""
    opened = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    opened.draft(image.mode, image.size)
    opened.load()
    return opened


def _class(image_format: str) -> Any:
    """Pillow's class for the format. MPO, several JPEGs in one file as phones write them, is decoded as the first."""
    if image_format == "JPEG":
        return JpegImagePlugin.JpegImageFile
    module, name = _CLASSES[image_format]
    imported = importlib.import_module(module)
    if image_format == "HEIF":
        # Only the picture itself is needed; with one thread, memory and processor time are that of one photo.
        options = imported.options
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        options.DECODE_THREADS = 1
    return getattr(imported, name)


class _MeteredFile(io.BytesIO):
    """A file in memory that can be read only so many times."""

    reads_left = _MAX_HEADER_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise too_many_parts()
        return super().read(size)
