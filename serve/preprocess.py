"""Image bytes -> the uint8 pixels that the network sees: the one decode-and-resize, for train, convert and serve.

A model is only as good as the match between the pixels it was trained on and the pixels it is served. So there is
one function, and everything goes through it. The photo is squeezed to the network's input, whatever its shape,
because the training set (TFDS `cats_vs_dogs`) is used that way too.
"""

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from serve.errors import ImageTooLargeError, UndecodableImageError, UnsupportedImageTypeError

Pixels = npt.NDArray[np.uint8]

MAX_IMAGE_PIXELS: Final = 50_000_000
"""The default ceiling on a photo's width x height, from its header, before anything is decoded."""

_MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
}
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
# What Pillow raises on broken files, seen by fuzzing: its plugins parse with struct, indexes and assertions.
_BROKEN_FILE: Final = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NotImplementedError,
    OSError, RuntimeError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)  # fmt: skip


def sniff(data: bytes) -> str | None:
    """The Pillow format name that the first bytes tell, or None. Names and `Content-Type` are not trusted."""
    for start, image_format in _MAGIC.items():
        if data.startswith(start):
            return image_format
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return "AVIF" if data[4:12] in (b"ftypavif", b"ftypavis") else None


def decode(data: bytes, height: int, width: int, *, max_pixels: int = MAX_IMAGE_PIXELS) -> Pixels:
    """Decode a JPEG, PNG, WebP, GIF, BMP or AVIF file, stand it upright, and resize it.

    Args:
        data: the file, encoded. Of an animation, the first frame counts.
        height, width: of the result, in pixels.
        max_pixels: a photo with more (width x height, as its header says) is refused before it is decoded.

    Returns:
        RGB pixels 0-255, uint8, of shape (height, width, 3), C-contiguous. Transparency is laid over white.

    Raises:
        UnsupportedImageTypeError: the bytes are of no format that is taken here.
        ImageTooLargeError: more than `max_pixels`.
        UndecodableImageError: broken or truncated.
    """
    image_format = sniff(data)
    if image_format is None:
        raise UnsupportedImageTypeError(
            "The bytes are not a JPEG, PNG, WebP, GIF, BMP or AVIF image: send one of these."
        )
    try:
        with Image.open(io.BytesIO(data), formats=[image_format]) as image:
            if image.width * image.height > max_pixels:
                raise ImageTooLargeError(
                    f"The image has {image.width} x {image.height} pixels; at most {max_pixels:,} are taken: "
                    "send a smaller one."
                )
            return np.asarray(_to_rgb(image, height, width))
    except UnidentifiedImageError as error:
        raise UndecodableImageError(f"The {image_format} image cannot be read: its header is broken.") from error
    except _BROKEN_FILE as error:
        raise UndecodableImageError(
            f"The {image_format} image cannot be decoded: it is broken or truncated."
        ) from error


def _to_rgb(image: Image.Image, height: int, width: int) -> Image.Image:
    upright = _UPRIGHT.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    # Turned after the resize, when there is less to turn: so a photo lying on its side is resized lying.
    turned = upright is not None and upright in _SWAPS_AXES
    size = (height, width) if turned else (width, height)
    image.draft("RGB", (size[0] * _DRAFT_OVERSAMPLING, size[1] * _DRAFT_OVERSAMPLING))
    image = _resizable(image).resize(size, Image.Resampling.BILINEAR)
    if upright is not None:
        image = image.transpose(upright)
    if image.mode in ("RGBA", "LA"):
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background
    return image.convert("RGB")


def _resizable(image: Image.Image) -> Image.Image:
    """The image in a mode whose samples can be averaged: not palette indexes, not bits, not 16 bits."""
    if image.mode.startswith("I"):  # 16-bit grayscale; convert("L") would clip it, not scale it
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        if "transparency" in image.info and image.mode in ("L", "RGB"):
            return image.convert("RGBA")
        return image
    if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
        return image.convert("RGBA")
    return image.convert("RGB")
