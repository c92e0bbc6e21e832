"""What decoding a photo may cost, decided from its header: memory and processor time (docs/security.md)."""

from typing import Final, NamedTuple

from PIL import Image

from serve.errors import ImageTooLargeError
from serve.model.formats import Parts, jpeg

MAX_IMAGE_PIXELS: Final = 50_000_000
"""The default ceiling on a photo's width x height, from its header, before anything is decoded."""

MAX_SIDE: Final = 65_500
"""In pixels; libjpeg's own limit. A resize's tables grow with the sides: a line of 20 million pixels takes 380 MB."""

# What decoding takes at its peak, in bytes for each pixel of the header, measured. `max_pixels` of a JPEG with three
# full-size channels at 1/4 scale is the measure: 3 x 2 bytes of coefficients, 4 / 16 of pixels.
_BYTES_ALLOWED: Final = 6.25
_BYTES_OPAQUE: Final = 6
_BYTES_TRANSPARENT: Final = 12  # as stored, as RGBA, and with the alpha multiplied in
_BYTES_WEBP: Final = 18.5
_JPEG_COEFFICIENT_BYTES: Final = 2


class _Speed(NamedTuple):
    """The most processor time that decoding takes, in nanoseconds for each unit of work and byte of the file."""

    per_work: float
    per_byte: float


_SPEEDS: Final = {
    "JPEG": _Speed(0.7, 40),
    "PNG": _Speed(11.5, 22),
    "GIF": _Speed(6, 20),
    "BMP": _Speed(4, 1),
    "WEBP": _Speed(20, 35),
    "AVIF": _Speed(5, 65),
    "HEIF": _Speed(30, 185),
}
_NANOSECONDS_JPEG_PIXEL: Final = 9  # at the scale of decoding
_NANOSECONDS_ALPHA: Final = 12  # a pixel: multiplied in before the resize
_NANOSECONDS_KEY: Final = 16  # a pixel more: alpha made from a color or a palette
_STORED_FORMATS: Final = frozenset({"PNG", "GIF", "BMP"})  # the others' speeds were measured with alpha
_NANOSECONDS_A_PIXEL: Final = 20
"""`max_pixels` of these is the processor time that is allowed: a second for 50 million."""


def refuse_costly(image: Image.Image, parts: Parts, header_size: tuple[int, int], max_pixels: int) -> None:
    """Raise for a photo that would take too much, at the scale that has been chosen for it.

    Args:
        image: opened; a JPEG's scale is chosen.
        parts: of its file.
        header_size: width and height at full scale.
        max_pixels: the ceiling for a JPEG; what takes more memory or time a pixel gets a share of it.

    Raises:
        ImageTooLargeError: more than its share.
    """
    width, height = header_size
    pixels = width * height
    max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    most = min(max_pixels, int(max_pixels * _BYTES_ALLOWED / _bytes_per_pixel(image, parts, pixels)))
    if pixels > most or max(header_size) > MAX_SIDE:
        raise ImageTooLargeError(
            f"The image has {width} x {height} pixels; the limit for its kind is {most:,} pixels, and {MAX_SIDE:,} on "
            "a side: send a smaller one."
        )
    if _nanoseconds(image, parts, pixels) > _NANOSECONDS_A_PIXEL * max_pixels:
        raise ImageTooLargeError(
            f"The image has {width} x {height} pixels in {len(parts.file):,} bytes, stored in a way that takes too "
            "long to decode: send a smaller one."
        )


def _nanoseconds(image: Image.Image, parts: Parts, pixels: int) -> float:
    """What decoding takes of the processor; `pixels`: those of the header."""
    speed = _SPEEDS[image.format or ""]
    work, reading = speed.per_work * (parts.work or pixels), speed.per_byte * len(parts.file)
    if image.format == "JPEG":
        work += _NANOSECONDS_JPEG_PIXEL * image.width * image.height
        return (reading + work) * (1 if jpeg.has_end(parts.file) else 2)  # decoded twice: serve.model.decoders
    if image.format in _STORED_FORMATS and is_transparent(image):
        work += (_NANOSECONDS_ALPHA + _NANOSECONDS_KEY * ("transparency" in image.info)) * pixels
    return reading + work


def is_transparent(image: Image.Image) -> bool:
    """Whether the image has an alpha channel or a transparent color."""
    return "transparency" in image.info or image.mode in ("LA", "RGBA", "RGBa")


def _bytes_per_pixel(image: Image.Image, parts: Parts, pixels: int) -> float:
    """What decoding takes at its peak, in bytes for each of `pixels`, those of the header."""
    if parts.memory:
        return parts.memory / pixels
    if image.format == "JPEG":
        decoded = 4 * image.width * image.height / pixels
        # Progressive, or in several scans, which the header does not tell.
        return _JPEG_COEFFICIENT_BYTES * len(image.getbands()) + decoded
    if image.format == "WEBP":
        return _BYTES_WEBP
    return _BYTES_TRANSPARENT if is_transparent(image) else _BYTES_OPAQUE
