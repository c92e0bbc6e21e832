"""Corruptions of photos, to measure how robust a model is (Hendrycks and Dietterich 2019, arXiv:1903.12261)."""

import io
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from evaluate import pictures

Picture = Image.Image
Corruption = Callable[[Picture], Picture]

_GRAY: Final = (127, 127, 127)


def _noisy(picture: Picture, deviation: float) -> Picture:
    pixels = np.asarray(picture, np.float64)
    noise = np.random.default_rng(1).normal(0.0, deviation, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def _rotated(picture: Picture, degrees: float) -> Picture:
    return picture.rotate(degrees, Image.Resampling.BILINEAR, expand=True, fillcolor=_GRAY)


def _small(picture: Picture, side: int) -> Picture:
    return picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3.0)


def _jpeg(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "blur, radius 1 pixel": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
    "blur, radius 2 pixels": lambda picture: picture.filter(ImageFilter.GaussianBlur(2)),
    "noise, deviation 15 of 255": lambda picture: _noisy(picture, 15),
    "noise, deviation 30 of 255": lambda picture: _noisy(picture, 30),
    "brightness 40%": lambda picture: ImageEnhance.Brightness(picture).enhance(0.4),
    "brightness 20%": lambda picture: ImageEnhance.Brightness(picture).enhance(0.2),
    "grayscale": lambda picture: picture.convert("L"),
    "resized to 96 x 96 pixels": lambda picture: _small(picture, 96),
    "resized to 48 x 48 pixels": lambda picture: _small(picture, 48),
    "rotated by 15 degrees": lambda picture: _rotated(picture, 15),
    "rotated by 90 degrees": lambda picture: _rotated(picture, 90),
    "JPEG quality 30": lambda picture: _jpeg(picture, 30),
    "JPEG quality 10": lambda picture: _jpeg(picture, 10),
}


def corrupted(image: bytes, corruption: Corruption) -> bytes:
    """The encoded photo (see `pictures.picture`) after a corruption, in a format without loss of its own."""
    file = io.BytesIO()
    corruption(pictures.picture(image)).save(file, "BMP")
    return file.getvalue()
