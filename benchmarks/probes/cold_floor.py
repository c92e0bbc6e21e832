"""The least of a first answer: import Pillow, load LiteRT's C library and the file, run once on ready bytes.

`python cold_floor.py PHOTO` decodes and resizes a JPEG for it, by the steps of `floor.py`.
"""

import os
import sys

from litert_c import Network
from PIL import Image

network = Network(os.environ["MODEL_PATH"])
side = network.side
pixels = bytes(3 * side**2)
if len(sys.argv) > 1:
    image = Image.open(sys.argv[1], formats=["JPEG"])
    image.draft("RGB", (2 * side, 2 * side))
    larger = image.resize((side * 5 // 4, side * 5 // 4), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = larger.resize((side, side), Image.Resampling.BILINEAR).tobytes()
print("answer", network.run(pixels), flush=True)
