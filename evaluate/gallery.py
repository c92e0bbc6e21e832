"""Grids of thumbnails."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure
from PIL import Image

from evaluate import pictures
from train.pixels import Pixels

THUMBNAIL: Final = 112  # pixels
DPI: Final = 80  # what figures are saved with
_TITLE: Final = 14  # pixels a line


def thumbnail(image: bytes, side: int = THUMBNAIL) -> Image.Image:
    """An encoded photo, upright and in its own shape, no side longer than `side` pixels."""
    upright = pictures.picture(image)
    upright.thumbnail((side, side))
    return upright


def grid(
    pictures: Sequence[Image.Image | Pixels], titles: Sequence[str], columns: int, title: str, side: int = THUMBNAIL
) -> Figure:
    """Pictures row by row, each below its title, all below one title.

    Args:
        pictures: at least one; pixels are uint8, (height, width, 3).
        titles: one per picture; newlines separate lines.
        columns: pictures per row.
        side: the largest height and width of a picture, in pixels, at `DPI` dots per inch.

    Raises:
        ValueError: there are no pictures, or the numbers of pictures and titles differ.
    """
    if not pictures:
        raise ValueError("a grid needs at least one picture")
    if len(titles) != len(pictures):
        raise ValueError(f"{len(pictures)} pictures have {len(titles)} titles")
    rows = -(-len(pictures) // columns)
    lines = 1 + max(text.count("\n") for text in titles)
    height = rows * (side + _TITLE * lines + 10) + 2 * _TITLE
    figure = Figure(figsize=(columns * (side + 14) / DPI, height / DPI), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, picture, text in zip(panels, pictures, titles, strict=False):
        axes.imshow(picture)
        axes.set_title(text, fontsize=8)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure
