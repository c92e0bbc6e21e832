from pathlib import Path

import numpy as np
import pytest

from evaluate import saliency
from serve.model.classifier import Classifier
from train.pixels import Pixels, decode


def lightness_of_a_corner(pixels: Pixels) -> float:
    """The logit is how light the upper left 10 x 10 pixels are, and nothing else."""
    return float(1 / (1 + np.exp(-(pixels[:10, :10].mean() - 100) / 50)))


@pytest.fixture
def corner() -> Pixels:
    pixels = np.full((40, 60, 3), 100, np.uint8)
    pixels[:10, :10] = 250
    return pixels


def test_the_answer_rests_on_the_only_place_that_it_looks_at(corner: Pixels) -> None:
    heat = saliency.occlusion(lightness_of_a_corner, corner, patch=10, stride=10)
    assert heat.shape == (40, 60)
    covered = (250 - int(corner.mean())) / 50
    np.testing.assert_allclose(heat[:10, :10], covered, atol=1e-6)
    assert not heat[10:].any()
    assert not heat[:, 10:].any()


def test_what_speaks_for_the_other_label_is_below_zero(corner: Pixels) -> None:
    heat = saliency.occlusion(lambda pixels: 1 - lightness_of_a_corner(pixels), corner, patch=10, stride=10)
    assert heat[:10, :10].max() < 0


@pytest.mark.parametrize(("patch", "stride"), [(10, 7), (13, 5), (40, 3), (100, 10)])
def test_every_pixel_is_covered_and_the_photo_is_left_as_it_is(corner: Pixels, patch: int, stride: int) -> None:
    before = corner.copy()
    heat = saliency.occlusion(lightness_of_a_corner, corner, patch, stride)
    assert np.isfinite(heat).all()
    np.testing.assert_array_equal(corner, before)


def test_of_a_photo_of_a_cat_the_cat_speaks_for_cat(shipped_model_path: Path, cat_jpeg: bytes) -> None:
    classifier = Classifier(shipped_model_path)
    pixels = decode(cat_jpeg, *classifier.input_size)
    _, width = classifier.input_size
    heat = saliency.occlusion(
        lambda image: classifier.probabilities(image.tobytes())[-1], pixels, patch=width // 4, stride=width // 8
    )
    cat, background = heat[:, : 3 * width // 4], heat[:, 3 * width // 4 :]
    assert cat.mean() < min(0, background.mean())
    assert cat.min() < 2 * background.min()  # squares at the border cover some of both
