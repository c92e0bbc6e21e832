"""Photos as people see them: to be corrupted before they are sent, and to be shown."""

import contextlib
from typing import Final

from PIL import Image

from serve.errors import ImageTooLargeError
from serve.model import preprocess

LONGEST: Final = 512
"""The longest side of a picture, in pixels. Corruptions are those of photos of that size, whatever a camera makes."""

_SIDES: Final = (LONGEST, 256, 128, 64, 32)
"""The costliest photos can be decoded at a small size only."""


def picture(photo: bytes) -> Image.Image:
    """An encoded photo in its own shape: upright, in sRGB, over white, and no side longer than `LONGEST`.

    A photo that is not larger keeps its pixels.

    Raises:
        ProblemError: the bytes are not an image that is served.
    """
    for side in _SIDES[:-1]:
        with contextlib.suppress(ImageTooLargeError):
            return _decoded(photo, side)
    return _decoded(photo, _SIDES[-1])


def _decoded(photo: bytes, longest: int) -> Image.Image:
    def shrunk(image: Image.Image, _is_lying: bool) -> Image.Image:  # noqa: FBT001  (a callback)
        image.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=3.0)
        return image

    return preprocess.decode_by(photo, shrunk, longest)
