"""What `serve.model.preprocess` decodes, as NumPy arrays: serving has no NumPy."""

import numpy as np
import numpy.typing as npt

from serve.model import preprocess

Pixels = npt.NDArray[np.uint8]
"""RGB 0-255, of shape (height, width, 3) or (photos, height, width, 3)."""


def decode(data: bytes, height: int, width: int, *, with_margin: bool = False) -> Pixels:
    """`serve.model.preprocess.decode`, as a read-only array of shape (height, width, 3).

    Raises:
        ProblemError: the bytes are not an image that is taken here.
    """
    return np.asarray(preprocess.decode(data, height, width, with_margin=with_margin))
