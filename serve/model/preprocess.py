"""Image bytes -> the pixels that the network sees: the one decode-and-resize, for train, convert and serve.

A model is only as good as the match between the pixels it was trained on and the pixels it is served. So there is
one function, and everything goes through it. The photo is squeezed to the network's input, whatever its shape,
because the training set (TFDS `cats_vs_dogs`) is used that way too. A color profile (ICC) is applied to
the small picture.

The bytes come from strangers. What a file may cost is decided from its header, before its pixels are decoded; the
figures behind the limits are in docs/security.md.
"""

import functools
from collections.abc import Callable
from typing import Final, TypeVar

from PIL import Image, UnidentifiedImageError

from serve.errors import ImageTooLargeError, UnsupportedImageTypeError
from serve.model import decoders, formats
from serve.model.formats import Parts
from serve.model.formats.exif import orientation
from serve.model.limits import MAX_IMAGE_PIXELS, is_transparent, refuse_costly

PREPROCESSING_VERSION: Final = 3
"""Raise it with every change that changes pixels: the manifest of training depends on it.

The tests hold golden pixels for each version. Pillow's version changes pixels too; the cache depends on it as well."""

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

_Found = TypeVar("_Found")
Resize = Callable[[Image.Image, bool], Image.Image]
"""(the picture as it is stored, whether it lies on its side) -> the same in the size that is wanted."""

# Beyond six times the wanted size, whole blocks of pixels are averaged first: a fourth of the time, the same picture.
_REDUCING_GAP: Final = 3.0


def decode(
    data: bytes, height: int, width: int, *, max_pixels: int = MAX_IMAGE_PIXELS, with_margin: bool = False
) -> Image.Image:
    """Decode a photo, stand it upright, bring it to sRGB, and resize it by way of `MARGIN`.

    Args:
        data: a JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC file. Of several pictures, the first counts. A HEIC or AVIF
            that is refused for its size is answered by its thumbnail, if that has the same shape and no fewer pixels
            than the result.
        height, width: of the result, in pixels.
        max_pixels: a photo with more (width x height, as its header says) is refused before it is decoded. Formats
            that take more memory or time a pixel than JPEG get a share of it. More than Pillow's own limit
            (`PIL.Image.MAX_IMAGE_PIXELS`, 89 million) has no effect.
        with_margin: stop on the way, `MARGIN` times as high and as wide: for training, which crops.

    Returns:
        An image of mode RGB, `width` x `height`; its `tobytes()` are what the network takes. Transparency is laid
        over white.

    Raises:
        UnsupportedImageTypeError: the bytes are of no format that is supported.
        ImageTooLargeError: more than `max_pixels`.
        UndecodableImageError: broken or truncated.
    """

    def squeezed(image: Image.Image, is_lying: bool) -> Image.Image:  # noqa: FBT001  (a callback)
        size = (height, width) if is_lying else (width, height)
        larger = (round(size[0] * MARGIN), round(size[1] * MARGIN))
        image = image.resize(larger, Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
        return image if with_margin else image.resize(size, Image.Resampling.BILINEAR)

    return decode_by(data, squeezed, max(height, width), max_pixels)


def decode_by(data: bytes, resize: Resize, side: int, max_pixels: int = MAX_IMAGE_PIXELS) -> Image.Image:
    """As `decode`, in another size: `side` is the longest side of the result, in pixels."""
    return _used(data, side, max_pixels, lambda image, parts: _to_rgb(image, parts, resize))


def check(data: bytes, side: int) -> None:
    """Raise what `decode` would raise before it decodes pixels; `side` is the longest side of the result, in pixels."""
    _used(data, side, MAX_IMAGE_PIXELS, lambda _image, _parts: None)


def _used(data: bytes, side: int, max_pixels: int, use: Callable[[Image.Image, Parts], _Found]) -> _Found:
    """What is made of the image, whose pixels are not decoded yet, if it may be decoded."""
    image_format = _supported_format(data)

    def found(parts: Parts) -> _Found:
        with decoders.open_image(parts, image_format) as image:
            header_size = image.size
            image.draft("RGB", (side * _DRAFT_OVERSAMPLING,) * 2)
            refuse_costly(image, parts, header_size, max_pixels)
            return use(image, parts)

    try:
        try:
            return found(formats.parts(data, image_format))
        except ImageTooLargeError:
            # Phones store a small picture beside a large one.
            if (thumbnail := formats.thumbnail(data, image_format, side)) is None:
                raise
            return found(thumbnail)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLargeError(f"The {image_format} image has too many pixels: send a smaller one.") from error
    except (UnidentifiedImageError, *decoders.BROKEN_FILE) as error:
        raise formats.broken(image_format) from error


def _supported_format(data: bytes) -> str:
    image_format = formats.sniff(data)
    if image_format is None or not decoders.is_installed(image_format):
        from serve.model.formats import unsupported

        raise UnsupportedImageTypeError(unsupported.advice(data))
    return image_format


def _to_rgb(image: Image.Image, parts: Parts, resize: Resize) -> Image.Image:
    image_format = image.format or ""
    upright = _UPRIGHT.get(_orientation(image, parts))
    # Turned after the resize, when there is less to turn: so a photo lying on its side is resized lying.
    image = resize(_resizable(decoders.load(image, parts, image_format), parts), upright in _SWAPS_AXES)
    if image.mode == "RGBa":  # HEIC with premultiplied alpha
        image = image.convert("RGBA")
    if parts.profile:
        from serve.model import color

        image = color.to_srgb(image, parts.profile)
    return _over_white(image if upright is None else image.transpose(upright))


def _orientation(image: Image.Image, parts: Parts) -> int:
    """By EXIF alone, as in browsers: not by XMP. HEIC's decoder has turned the picture already."""
    if image.format == "AVIF":
        return orientation(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))
    return orientation(parts.exif)


def _resizable(image: Image.Image, parts: Parts) -> Image.Image:
    """The image in a mode whose samples can be averaged: not palette indexes, not bits, not 16 bits."""
    if image.format == "PNG" and "transparency" in image.info and image.mode != "P":
        return _without_key_color(image, parts)
    if image.mode.startswith("I"):  # 16-bit grayscale; convert("L") would clip it, not scale it
        return _high_bytes(image)
    if is_transparent(image):
        resizable = image if image.mode in ("LA", "RGBA", "RGBa") else image.convert("RGBA")
    else:
        resizable = image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")
    return _white_around_frame(resizable, parts) if image.format == "GIF" else resizable


def _high_bytes(image: Image.Image) -> Image.Image:
    return Image.frombytes("L", image.size, image.tobytes(), "raw", "L;16")


def _without_key_color(image: Image.Image, parts: Parts) -> Image.Image:
    """A PNG of which one color stands for transparency (PNG specification, 11.3.1.1), with alpha in its place."""
    from PIL import ImageChops

    from serve.model.formats import png

    depth, samples = png.key(parts.file) or (0, ())
    if image.mode.startswith("I"):
        low = Image.frombytes("L", image.size, image.tobytes(), "raw", "L;16B")
        image = _high_bytes(image)
        channels = [(image, samples[0] >> 8), (low, samples[0] & 255)]
    elif depth == 16:  # Pillow has dropped the low bytes
        channels = list(zip(image.split(), (sample >> 8 for sample in samples), strict=True))
    else:
        image = image.convert("L") if image.mode == "1" else image
        samples = tuple(sample * 255 // ((1 << depth) - 1) for sample in samples)
        channels = list(zip(image.split(), samples, strict=True))
    alphas = [channel.point([255 * (value != sample) for value in range(256)]) for channel, sample in channels]
    image.putalpha(functools.reduce(ImageChops.lighter, alphas))
    return image


def _white_around_frame(image: Image.Image, parts: Parts) -> Image.Image:
    """A GIF whose first frame is smaller than its screen: browsers show what is behind the picture there."""
    from serve.model.formats import gif

    left, top, right, bottom = gif.frame(parts.file)
    width, height = image.size
    for box in ((0, 0, width, top), (0, bottom, width, height), (0, 0, left, height), (right, 0, width, height)):
        if box[0] < box[2] and box[1] < box[3]:
            image.paste("white", box)
    return image


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA"):
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background
    return image.convert("RGB")
