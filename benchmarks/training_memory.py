"""python -m benchmarks.training_memory: the memory and the disk that training takes, by the number of photos.

Trains the small CNN for an epoch, through the command line, on folders of photos of cats_vs_dogs.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from train import data


class Taken(NamedTuple):
    """What one run took: bytes, but for the number of photos."""

    photos: int
    encoded: int
    cached: int
    peak_memory: int


def photo_folder(photos: int, folder: Path) -> int:
    """Write so many photos of cats_vs_dogs, class by class, into a folder; returns their bytes."""
    data_set, size = data.open_data_set(), 0
    for photo in data_set.photos[:photos]:
        file = folder / data_set.labels[photo.label] / Path(photo.name).name
        file.parent.mkdir(parents=True, exist_ok=True)
        size += file.write_bytes(photo.data)
    return size


def measure(photos: int) -> Taken:
    """Train on a folder of so many photos."""
    with tempfile.TemporaryDirectory() as place:
        encoded = photo_folder(photos, Path(place, "photos"))
        flags = ["--data-dir", "photos", "--model", "baseline", "--epochs", "1", "--batch-size", "64"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        command = [sys.executable, "-m", "train", *flags]
        subprocess.run(command, cwd=place, env=environment, stdout=subprocess.DEVNULL, check=True)
        cached = sum(file.stat().st_size for file in Path(place, ".cache").rglob("*") if file.is_file())
    return Taken(photos, encoded, cached, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


def main(argv: list[str] | None = None) -> int:
    """Measure, smallest first, and print a table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_memory", description=__doc__)
    parser.add_argument("photos", type=int, nargs="*", default=[1000, 10_000, 20_998], help="numbers of photos")
    print("| photos | encoded | cache on disk | peak memory |\n|---|---|---|---|")
    for number in sorted(parser.parse_args(argv).photos):  # the peak is that of all runs so far
        taken = measure(number)
        print(
            f"| {taken.photos:,} | {taken.encoded / 1e6:.0f} MB | {taken.cached / 1e6:.1f} MB "
            f"| {taken.peak_memory / 1e6:,.0f} MB |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
