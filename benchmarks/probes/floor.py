"""The least that an answer takes: decode, resize and run the same photo by the same steps, with nothing around them.

It fetches, decodes base64, checks and logs nothing. `handler` reads a file once, and keeps its bytes.
"""

import functools
import io
import os
from pathlib import Path
from typing import Any

from litert_c import Network
from PIL import Image

network = Network(os.environ["MODEL_PATH"])
side = network.side


@functools.cache
def photo(path: str) -> bytes:
    """The file's bytes, read once."""
    return Path(path).read_bytes()


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answer {"path": ..., "format": Pillow's name}."""
    # One format, as in `serve.model.preprocess`: Pillow tries several if none is named.
    image = Image.open(io.BytesIO(photo(event["path"])), formats=[event["format"]])
    image.draft("RGB", (2 * side, 2 * side))
    # By way of 1.25 times the size, as there. The photos are RGB.
    larger = image.resize((side * 5 // 4, side * 5 // 4), Image.Resampling.BILINEAR, reducing_gap=3.0)
    probability = network.run(larger.resize((side, side), Image.Resampling.BILINEAR).tobytes())
    return {"label": "dog" if probability >= 0.5 else "cat", "probability": probability}
