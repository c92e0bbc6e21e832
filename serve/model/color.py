"""Color profiles (ICC): a small picture to sRGB. Imported with the first photo that has a profile."""

import functools
import io
from typing import Final

from PIL import Image, ImageCms

# What a profile of sRGB is called, in ASCII and in UTF-16: profiles of version 2 and 4 (ICC.1:2022, 9.2.41).
_SRGB_NAMES: Final = (b"sRGB", "sRGB".encode("utf-16-be"))
_NAME_WITHIN: Final = 4096  # bytes: the tags come first
_MODES: Final = {"L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The image in sRGB; as it is, if the profile is broken, or for another kind of image.

    Args:
        image: of mode L, LA, RGB, RGBA or CMYK. Alpha stays as it is.
        profile: the ICC profile of its colors.

    Returns:
        An image of mode RGB, or RGBA where there was alpha.
    """
    if any(name in profile[:_NAME_WITHIN] for name in _SRGB_NAMES):
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
            ImageCms.getOpenProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
