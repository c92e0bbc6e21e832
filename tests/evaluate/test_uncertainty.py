from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from evaluate import uncertainty
from serve.model.classifier import Classifier
from tests.serve.model.pictures import encoded, scene

pillow_heif.register_heif_opener()


def test_what_packages_carry_can_be_opened_and_the_cat_is_not_among_it() -> None:
    found = uncertainty.in_packages(["cat", "dog"])
    assert len(found) >= 20
    assert "chelsea.png" not in {file.name for file in found}
    for file in found:
        with Image.open(file) as image:
            assert min(image.size) >= 100


def test_what_shows_a_label_is_no_other_image() -> None:
    own = ["Horse", "coin", "cow", "flower_daisy", "wet grasses"]
    every, some = (uncertainty.in_packages(labels) for labels in (["a", "c"], own))
    assert {file.name for file in every} - {file.name for file in some} == {
        "horse.png", "coins.png", "flower.jpg", "grass.png"
    }  # fmt: skip


def test_a_folder_is_searched_with_the_folders_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("sea/wave.HEIC", "sea/no suffix", "tree.png", "tree.jpg/tree.png", "notes.txt", "false.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image = {".HEIC": "HEIF", ".png": "PNG", "": "WEBP"}.get(Path(name).suffix)
        (tmp_path / name).write_bytes(encoded(scene(), image) if image and name != "false.png" else b"no image")
    found = [str(file.relative_to(tmp_path)) for file in uncertainty.in_folder(tmp_path)]
    assert found == ["sea/no suffix", "sea/wave.HEIC", "tree.jpg/tree.png", "tree.png"]
    assert "left out 2 files" in capsys.readouterr().out


def test_every_image_counts_whatever_its_name(tmp_path: Path, model_path: Path) -> None:
    """Cameras call the first photo of each folder the same."""
    for place in ("a", "b", "c"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "IMG_1.png").write_bytes(encoded(scene((64, 48)), "PNG"))
    test = {"probabilities": [0.5, 0.5], "labels": [0, 1]}
    found = uncertainty.measure(Classifier(model_path), test, uncertainty.in_folder(tmp_path))
    assert found["recall"]["photos"] == 3
    assert len(found["missed"]) + round(3 * found["recall"]["share"]) == 3


def test_the_threshold_that_is_assumed_has_no_more_false_alarms_than_are_allowed() -> None:
    chance = np.random.default_rng(1)
    for photos in range(1, 400):
        confidences = chance.random(photos)
        alarms = int((confidences < uncertainty.assumed_threshold(confidences)).sum())
        assert photos * 0.02 - 1 < alarms <= photos * 0.02


def test_an_empty_folder_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--out-of-distribution takes a folder"):
        uncertainty.in_folder(tmp_path)
