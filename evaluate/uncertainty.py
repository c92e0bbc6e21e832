"""Out-of-distribution images: what the model answers for photos of things it does not know."""

import importlib.util
from pathlib import Path
from typing import Final

_IN_PACKAGES: Final[dict[str, tuple[str, ...]]] = {
    "skimage": tuple(
        f"data/{name}"
        for name in (
            "astronaut.png", "brick.png", "camera.png", "cell.png", "chessboard_GRAY.png", "chessboard_RGB.png",
            "clock_motion.png", "coffee.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png",
            "hubble_deep_field.jpg", "ihc.png", "microaneurysms.png", "moon.png", "motorcycle_left.png", "page.png",
            "phantom.png", "retina.jpg", "rocket.jpg", "text.png",
        )
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}  # fmt: skip
_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def in_packages() -> list[Path]:
    """The sample images of scikit-image, scikit-learn and Matplotlib, of those that are installed; without the cat."""
    found = []
    for package, files in _IN_PACKAGES.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            found += [Path(folder) / file for file in files]
    return [file for file in found if file.is_file()]


def in_folder(folder: Path) -> list[Path]:
    """All JPEG, PNG and WebP files in a folder and the folders in it.

    Raises:
        FileNotFoundError: there are none.
    """
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not found:
        raise FileNotFoundError(f"{folder}: no photos there; --out-of-distribution takes a folder of other photos")
    return found
