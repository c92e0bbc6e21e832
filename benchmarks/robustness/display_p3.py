"""Photos in Display P3, as phones store them, against the same photos in sRGB: answers, and the time of the profile.

    python -m benchmarks.robustness.display_p3 --photos FOLDER

FOLDER has a folder of photos for each label. Every photo is decoded once, made smaller than 640 pixels, and stored as a
PNG in sRGB and as a PNG in Display P3 with its profile: nothing else differs between the two.
"""

import argparse
import io
import statistics
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image, ImageCms

from benchmarks import machine
from benchmarks.robustness.corpus import encoded
from serve.model import color
from serve.model.classifier import Classifier

# Adapted to D50, as ICC.1 wants them: Display P3 (SMPTE EG 432-1, D65).
_COLORANTS: Final = {"r": (0.5151, 0.2412, -0.0011), "g": (0.2920, 0.6922, 0.0419), "b": (0.1571, 0.0666, 0.7841)}
_WHITE: Final = (0.9642, 1.0, 0.8249)
_GAMMA: Final = 2.2
_SIDE: Final = 640  # pixels


def display_p3() -> bytes:
    """A matrix profile of version 2 (ICC.1:2001-04) with one gamma for all channels."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(_GAMMA * 256))
    tags = {b"wtpt": xyz(_WHITE)}
    tags |= {f"{name}XYZ".encode(): xyz(values) for name, values in _COLORANTS.items()}
    tags |= {f"{name}TRC".encode(): curve for name in _COLORANTS}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content
    whole = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(">I4x", 128 + len(whole)) + b"\2\x20\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    return (head + xyz(_WHITE)[8:]).ljust(128, b"\0") + whole


def pair(photo: Image.Image, profile: bytes) -> tuple[bytes, bytes]:
    """The photo as a PNG in sRGB, and in the colors of a profile."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = photo.copy()
    ImageCms.profileToProfile(converted, ImageCms.createProfile("sRGB"), opened, outputMode="RGB", inPlace=True)
    return encoded(photo, "PNG", compress_level=1), encoded(converted, "PNG", compress_level=1, icc_profile=profile)


class Comparison(NamedTuple):
    """Answers to photos, each stored in two ways.

    Attributes:
        photos: how many.
        right: how many answers are, of each way.
        changed: how many labels differ.
        differences: of the probabilities, absolute.
    """

    photos: int
    right: tuple[int, int]
    changed: int
    differences: list[float]

    def __str__(self) -> str:
        return (
            f"answers changed: {self.changed}; probability differs by {statistics.median(self.differences):.4f} "
            f"(median), {max(self.differences):.4f} (most)"
        )


def compared(classifier: Classifier, folder: Path, pair_of: Callable[[Image.Image], tuple[bytes, bytes]]) -> Comparison:
    """Classify both files of each photo in a folder of labels; a photo is made smaller than 640 pixels first."""
    labels, answers = [], []
    for path in sorted(folder.glob("*/*")):
        with Image.open(path) as photo:
            photo.draft("RGB", (_SIDE, _SIDE))
            photo.thumbnail((_SIDE, _SIDE))
            first, second = (classifier.classify(data) for data in pair_of(photo.convert("RGB")))
        labels.append(path.parent.name)
        answers.append((first, second))
    return Comparison(
        len(labels),
        (
            sum(first.label == label for label, (first, _) in zip(labels, answers, strict=True)),
            sum(second.label == label for label, (_, second) in zip(labels, answers, strict=True)),
        ),
        sum(first.label != second.label for first, second in answers),
        [abs(first.probability - second.probability) for first, second in answers],
    )


def added_ms(side: int, profile: bytes, rounds: int = 50) -> tuple[float, float]:
    """Processor time of a profile on the small picture: the first time, and the median of the others."""
    image = Image.new("RGB", (side, side), (200, 80, 40))
    times = []
    for _ in range(rounds):
        started = time.process_time()
        color.to_srgb(image, profile)
        times.append(1e3 * (time.process_time() - started))
    return times[0], statistics.median(times[1:])


def main(argv: list[str] | None = None) -> int:
    """Classify all pairs, and print what differs."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness.display_p3", description="Compare photos in Display P3 and in sRGB."
    )
    parser.add_argument("--photos", type=Path, required=True, help="a folder of photos for each label")
    arguments = parser.parse_args(argv)
    classifier, profile = Classifier(Path("models/cats_dogs.tflite")), display_p3()
    first_ms, ms = added_ms(classifier.input_size[0], profile)
    found = compared(classifier, arguments.photos, partial(pair, profile=profile))
    title, (srgb, p3) = machine.title(machine.describe()), found.right
    print(f"{title}: {found.photos} photos, right in sRGB {srgb}, in Display P3 {p3}")
    print(found)
    print(f"the profile takes {first_ms:.1f} ms with its first photo, {ms:.2f} ms with each after it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
