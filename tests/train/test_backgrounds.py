"""What is cut out of a photo is a piece of that photo, and the emptiest one."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.serve.model.pictures import panorama
from train import backgrounds, data, models, splits
from train.pixels import decode


@pytest.fixture
def brightness() -> keras.Model:
    """Stands where a network's shares do: each place of 8 x 8 pixels speaks for a class as far as it is light."""
    image = keras.Input((80, 80, 3))
    channels = keras.layers.AveragePooling2D(8)(image)
    return keras.Model(image, keras.ops.mean(channels, axis=-1, keepdims=True) / 255)


@pytest.mark.parametrize("corner", [(0, 0), (0, 60), (60, 0), (60, 60)])
def test_the_window_with_the_least_evidence_is_found(brightness: keras.Model, corner: tuple[int, int]) -> None:
    photo = np.full((100, 100, 3), 200, np.uint8)
    top, left = corner
    photo[top : top + 40, left : left + 40] = 20
    (window,), (evidence,) = backgrounds._emptiest_windows(brightness, [photo[np.newaxis]])
    np.testing.assert_allclose(window, [top / 100, left / 100], atol=0.05)
    assert evidence == pytest.approx(20 / 255, abs=0.02)


def test_photos_that_are_full_of_it_have_more_evidence(brightness: keras.Model) -> None:
    photos = np.stack([np.full((100, 100, 3), light, np.uint8) for light in range(0, 250, 5)])
    _, evidence = backgrounds._emptiest_windows(brightness, np.split(photos, 2))
    assert evidence.tolist() == sorted(evidence)
    assert len(evidence) == len(photos)


def test_the_shares_of_all_places_have_the_logit_for_a_mean() -> None:
    keras.utils.set_random_seed(1)
    model = models.transfer("mobilenetv2", 32, "none")
    shares = backgrounds._class_map(model)
    assert shares.input_shape == (None, 64, 64, 3)
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    large = models.transfer("mobilenetv2", 64, "none")
    large.set_weights(model.get_weights())
    logit = keras.Model(large.inputs[0], large.get_layer(models.LOGIT_LAYER).output)
    np.testing.assert_allclose(shares(pixels).numpy().mean(axis=(1, 2)), logit(pixels), rtol=1e-4, atol=1e-6)


@pytest.fixture
def photos(photo_folder: Callable[[int], Path], tmp_path: Path) -> splits.Photos:
    return splits.load_split(data.open_data_set(photo_folder(40)), "train", 32, tmp_path / "cache")


def with_bias(*bias: float) -> keras.Model:
    """A network that has the same logits for every picture."""
    model = models.transfer("mobilenetv2", 32, "none", len(bias))
    layer = model.get_layer(models.LOGIT_LAYER)
    layer.set_weights([np.zeros_like(layer.kernel), np.array(bias, np.float32)])
    return model


def test_evidence_is_how_far_a_logit_is_above_the_others() -> None:
    np.testing.assert_array_equal(backgrounds._evidence(np.array([[2.0], [-3.0]])), [[-2, 2], [3, -3]])
    np.testing.assert_allclose(backgrounds._evidence(np.array([1.0, 2.0, 6.0])), [-3, -1.5, 4.5])
    np.testing.assert_allclose(
        backgrounds._evidence(np.array([5.0, 7.0])), [-2, 2]
    )  # as the sigmoid of their difference


@pytest.mark.usefixtures("tiny")
def test_backgrounds_are_pieces_of_the_photos_as_they_are_stored(photos: splits.Photos) -> None:
    cut = backgrounds.cut(with_bias(0.0), photos)
    assert cut.dtype == np.uint8
    assert cut.shape == (len(photos), 40, 40, 3)  # all are as empty as each other
    for piece, photo in zip(cut, photos.stored, strict=True):
        whole = decode(photo.data, 100, 100)
        np.testing.assert_array_equal(piece, whole[:40, :40])  # of as empty windows, the first one


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("bias", "left"), [([3.0], 0), ([-3.0], 1), ([0.5], None), ([3, 0, 3], 1), ([0, 3, 0], 0), ([1, 1.5, 1], None)]
)
def test_a_piece_that_speaks_for_its_label_by_itself_is_left_out(
    photos: splits.Photos, bias: list[float], left: int | None
) -> None:
    cut = backgrounds.cut(with_bias(*bias), photos)
    assert len(cut) == (len(photos) if left is None else (photos.labels == left).sum())


@pytest.mark.usefixtures("tiny")
def test_photos_that_were_left_out_of_training_are_left_out(
    photo_folder: Callable[[int], Path], tmp_path: Path
) -> None:
    folder = photo_folder(40)
    for broken in sorted(folder.rglob("*.jpg"))[::4]:
        broken.write_bytes(broken.read_bytes()[:700])
    data_set = data.open_data_set(folder)
    photos = splits.load_split(data_set, "train", 32, tmp_path / "cache")
    assert photos.skipped
    assert len(backgrounds.cut(with_bias(0.0), photos)) == len(photos)


@pytest.mark.usefixtures("tiny")
def test_a_photo_that_cannot_be_decoded_as_large_is_passed_over(photos: splits.Photos, tmp_path: Path) -> None:
    (tmp_path / "wide.jpg").write_bytes(panorama())
    wide = data.StoredPhoto("wide.jpg", 1, str(tmp_path / "wide.jpg"))
    stored = [wide, *photos.stored[1:]]
    cut = backgrounds.cut(with_bias(0.0), dataclasses.replace(photos, stored=stored))
    assert len(cut) == len(stored) - 1
    np.testing.assert_array_equal(cut[0], decode(stored[1].data, 100, 100)[:40, :40])
