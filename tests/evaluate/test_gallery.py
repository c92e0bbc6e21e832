import io

import numpy as np
import pytest
from matplotlib.image import AxesImage
from PIL import Image

from evaluate import gallery
from train.pixels import Pixels


def test_a_thumbnail_keeps_the_shape_and_is_no_larger_than_asked_for(cat_jpeg: bytes) -> None:
    small = gallery.thumbnail(cat_jpeg, 90)
    assert (small.mode, small.size) == ("RGB", (90, 60))


def test_a_photo_lying_on_its_side_is_stood_upright(cat_jpeg: bytes) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # EXIF 2.32: the rows are the photo's right side
    file = io.BytesIO()
    Image.open(io.BytesIO(cat_jpeg)).save(file, "JPEG", exif=turned)
    assert gallery.thumbnail(file.getvalue(), 90).size == (60, 90)


def test_each_picture_is_under_its_title(cat_jpeg: bytes) -> None:
    pictures: list[Image.Image | Pixels] = [
        gallery.thumbnail(cat_jpeg), np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8),
    ]  # fmt: skip
    figure = gallery.grid(pictures, ["a\ncat", "black", "white"], columns=2, title="Three")
    assert figure.get_suptitle() == "Three"
    assert [axes.get_title() for axes in figure.axes] == ["a\ncat", "black", "white", ""]
    for axes, picture in zip(figure.axes, pictures, strict=False):
        (shown,) = (artist for artist in axes.get_children() if isinstance(artist, AxesImage))
        np.testing.assert_array_equal(shown.get_array(), np.asarray(picture))


def test_nothing_to_show_and_a_missing_title_are_errors(cat_jpeg: bytes) -> None:
    with pytest.raises(ValueError, match="at least one"):
        gallery.grid([], [], columns=2, title="None")
    with pytest.raises(ValueError, match="2 pictures have 1 titles"):
        gallery.grid([gallery.thumbnail(cat_jpeg)] * 2, ["one"], columns=2, title="Two")
