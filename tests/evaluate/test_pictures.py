"""Photos as people see them, which are those that are served."""

import io

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from evaluate import pictures
from evaluate.corruptions import corrupted
from serve.errors import ProblemError
from serve.model.preprocess import decode
from tests.serve.model.pictures import encoded, exif_of, panorama, scene

pillow_heif.register_heif_opener()


def transparent() -> Image.Image:
    image = scene((120, 90)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


PHOTOS = {
    "HEIC": encoded(scene((120, 90)), "HEIF"),
    "lying on its side": encoded(scene((120, 90)), "JPEG", exif=exif_of(6)),
    "without its end": encoded(scene((120, 90)), "JPEG")[:-2],
    "transparent": encoded(transparent(), "PNG"),
    "16 bits": encoded(Image.fromarray(np.linspace(0, 65_535, 9_600).reshape(80, 120).astype(np.uint16)), "PNG"),
    "palette": encoded(scene((120, 90)).quantize(16), "GIF"),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_an_uncorrupted_picture_is_the_one_that_is_served(name: str) -> None:
    photo = PHOTOS[name]
    served, sent = (
        np.asarray(decode(data, 32, 32), int) for data in (photo, corrupted(photo, lambda picture: picture))
    )
    assert np.abs(served - sent).max() <= 5  # rounding: one is laid over white before it is small, the other after


def test_a_small_photo_keeps_its_pixels() -> None:
    small = encoded(scene((200, 200)), "JPEG")
    with Image.open(io.BytesIO(small)) as image:
        assert pictures.picture(small).tobytes() == image.tobytes()


def test_a_large_one_keeps_its_shape() -> None:
    for size, expected in (((4000, 3000), (512, 384)), ((300, 1200), (128, 512))):
        assert pictures.picture(encoded(scene(size), "JPEG")).size == expected


def test_what_is_no_photo_is_a_problem() -> None:
    with pytest.raises(ProblemError):
        pictures.picture(b"no photo")


def test_a_costly_one_is_as_large_as_it_may_be() -> None:
    assert pictures.picture(panorama()).width in (32, 64)
