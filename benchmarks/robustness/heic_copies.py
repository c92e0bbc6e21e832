"""Photos as HEIC, compressed as phones compress, against the same photos without loss: answers.

    python -m benchmarks.robustness.heic_copies --photos FOLDER

FOLDER has a folder of photos for each label. Every photo is decoded once, made smaller than 640 pixels, and stored as a
PNG and as a HEIC in 4:2:0: nothing else differs between the two, unless `--side` makes the HEIC smaller.
"""

import argparse
import sys
from pathlib import Path

from PIL import Image

from benchmarks import machine
from benchmarks.robustness.corpus import encoded
from benchmarks.robustness.display_p3 import compared
from serve.model.classifier import Classifier


def main(argv: list[str] | None = None) -> int:
    """Classify all pairs, and print what differs."""
    import pillow_heif

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.heic_copies", description="Compare photos as HEIC and as PNG."
    )
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos for each label")
    parser.add_argument("--quality", type=int, default=50, help="of the HEIC, 0 to 100 (default: %(default)s)")
    parser.add_argument("--side", type=int, default=640, help="longest of the HEIC: 320 is a phone's thumbnail")
    arguments = parser.parse_args(argv)
    pillow_heif.register_heif_opener()

    def pair(photo: Image.Image) -> tuple[bytes, bytes]:
        png = encoded(photo, "PNG", compress_level=1)
        photo.thumbnail((arguments.side, arguments.side))
        return png, encoded(photo, "HEIF", quality=arguments.quality, chroma=420)

    found = compared(Classifier(Path("models/cats_dogs.tflite")), arguments.photos, pair)
    title, (png, heic) = machine.title(machine.describe()), found.right
    print(f"{title}: {found.photos} photos, right as PNG {png}, as HEIC {heic}")
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
