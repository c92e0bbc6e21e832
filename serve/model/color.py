"""Color profiles (ICC): a small picture to sRGB. Imported with the first photo that has a profile."""

import functools
import io
from typing import Final

from PIL import Image, ImageCms

_NAME_WITHIN: Final = 4096  # bytes: the tags come first
_HEADER: Final = 128  # bytes before the table of tags (ICC.1:2022, 7.3)
_MAX_TAGS: Final = 100
# Elements that are calculated in floating point (ICC.1:2022, 10.17): a kilobyte of them takes seconds. Programs that do
# not know them take the other tags.
_ELEMENTS: Final = b"mpet"
_MODES: Final = {"L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB; as it is, if the profile is broken, or for another kind of image.

    Args:
        image: of mode L, LA, RGB, RGBA or CMYK. Alpha stays as it is.
        profile: the ICC profile of its colors.

    Returns:
        An image of mode RGB, or RGBA where there was alpha.
    """
    head = profile[:_NAME_WITHIN].replace(b"\0", b"")  # it may be in UTF-16
    # Not "Display P3 Gamut with sRGB Transfer", nor "Linear sRGB".
    if b"sRGB" in head and b"Gamut" not in head and b"inear" not in head:
        return image
    transform = _transform(profile, _MODES[image.mode])
    if transform is None:
        return image
    converted = transform.apply(image.convert(_MODES[image.mode]))
    if image.mode in ("LA", "RGBA"):
        converted.putalpha(image.getchannel("A"))
    return converted


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From the profile's colors to sRGB; None if it has none for images of this mode."""
    try:
        return ImageCms.buildTransform(
            ImageCms.getOpenProfile(io.BytesIO(_without_elements(profile))), ImageCms.createProfile("sRGB"), mode, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _without_elements(profile: bytes) -> bytes:
    """The profile, whose tags of such elements have names that mean nothing; lcms2 reads none of more than 100 tags."""
    renamed = bytearray(profile)
    for number in range(min(int.from_bytes(profile[_HEADER : _HEADER + 4], "big"), _MAX_TAGS)):
        place = _HEADER + 4 + 12 * number
        offset = int.from_bytes(profile[place + 4 : place + 8], "big")
        if profile[offset : offset + 4] == _ELEMENTS and place + 12 <= len(profile):
            renamed[place : place + 4] = number.to_bytes(4, "big")
    return bytes(renamed)
