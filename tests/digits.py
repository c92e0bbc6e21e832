"""Real handwriting as a folder of class folders: scikit-learn's digits, 8 x 8 pixels each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

NAMES: Final = ("zero", "one", "two", "three", "four")
_PAPER: Final = 230  # gray
_INK: Final = 12  # gray for each of the 16 shades
_GRAIN: Final = 15  # without it, digits drawn alike are near-duplicates


def write(folder: Path, photos: Mapping[str, int], seed: int = 1) -> Path:
    """Write PNG files of 40 x 40 pixels, `photos` of each name of `NAMES`; returns the folder. `seed`: of the grain."""
    digits, random = load_digits(), np.random.default_rng(seed)
    for name, number in photos.items():
        (folder / name).mkdir(parents=True)
        for place in np.flatnonzero(digits.target == NAMES.index(name))[:number]:
            strokes = Image.fromarray(np.uint8(_PAPER - _INK * digits.images[place])).resize((40, 40))
            pixels = np.asarray(strokes, np.float64) + random.normal(0, _GRAIN, (40, 40))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / name / f"{place}.png")
    return folder
