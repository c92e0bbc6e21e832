"""All four precisions of the trained network: LiteRT's C library answers as its Python package does, to the bit.

Two of them are shipped; the other two are converted here.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from convert import modes, quantize
from evaluate.publish import SHIPPED
from serve.model import interpreter
from serve.model.numpy_interpreter import NumpyInterpreter

PHOTOS = sorted((Path(__file__).parents[3] / "shared" / "photos").glob("*/*.jpg"))[::8]

pytestmark = [
    pytest.mark.skipif(not PHOTOS, reason="needs ../shared/photos"),
    pytest.mark.skipif(interpreter.find_library() is None, reason="needs LiteRT's C library"),
]


@pytest.fixture(scope="module")
def model(root: Path) -> keras.Model:
    return keras.models.load_model(root / "models" / "cats_dogs.keras")


@pytest.fixture(scope="module")
def photos(model: keras.Model) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(photos, height, width, 3)."""
    _, height, width, _ = model.input_shape
    return np.stack([np.asarray(Image.open(photo).convert("RGB").resize((width, height))) for photo in PHOTOS])


@pytest.mark.parametrize("mode", modes.MODES)
def test_answers_are_those_of_the_package_to_the_bit(
    mode: modes.Mode,
    model: keras.Model,
    photos: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    root: Path,
    tmp_path: Path,
) -> None:
    if mode in SHIPPED:
        file = root / "models" / SHIPPED[mode]
    else:
        file = tmp_path / f"{mode}.tflite"
        file.write_bytes(quantize.convert(model, mode))
    ours, reference = interpreter.load(file, 1), NumpyInterpreter(file, 1)
    assert (ours.height, ours.width, ours.num_outputs) == (*photos.shape[1:3], 1)
    answers = [ours.run(photo.tobytes()) for photo in photos]
    assert answers == [reference.run(photo.tobytes()) for photo in photos]
    assert len(set(answers)) > len(answers) / 4  # there is something to agree on
