from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from convert import quantize
from serve.model import model_file
from serve.model.classifier import Classifier
from train import backbones, models
from train.data import DataError


@pytest.mark.parametrize("name", ["baseline", "mobilenetv2"])
def test_raw_pixels_in_one_probability_out(name: str) -> None:
    model = models.build(name, 64, "none")
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    probabilities = model(pixels).numpy()
    assert probabilities.shape == (3, 1)
    assert ((probabilities > 0) & (probabilities < 1)).all()


@pytest.mark.parametrize("name", ["baseline", "mobilenetv2"])
def test_more_than_two_labels_have_a_probability_each(name: str) -> None:
    assert [models.outputs(labels) for labels in ("ab", "abc", "abcde")] == [1, 3, 5]
    model = models.build(name, 32, "none", outputs=3)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    probabilities = model(pixels).numpy()
    assert probabilities.shape == (4, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_every_backbone_scales_raw_pixels_and_ends_in_a_map_of_features(name: str) -> None:
    model = models.build(name, 64, "none", outputs=3)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    rescaling = next(layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling))
    assert np.abs(keras.Model(model.input, rescaling.output)(pixels)).max() <= 1
    assert model.get_layer(models.FEATURES_LAYER).input.shape[1:3] == (2, 2)
    assert len(model.trainable_weights) == 2


@pytest.mark.training
def test_a_backbone_of_other_operations_is_mirrored_quantized_and_served(tmp_path: Path) -> None:
    """Hard swish, and squeeze and excitation."""
    keras.utils.set_random_seed(1)
    model = models.build("mobilenetv3-small", 96, "none", outputs=3)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 96, 96, 3), np.uint8)
    file = tmp_path / "model.tflite"
    content = quantize.convert(models.mirrored(model), "int8", pixels)
    file.write_bytes(model_file.pack(content, ("a", "b", "c"), None, {}))
    assert sum(Classifier(file).probabilities(pixels[0].tobytes())) == pytest.approx(1, abs=1 / 256)


def test_rescaling_inside_maps_0_and_255_to_what_the_weights_were_trained_on() -> None:
    model = models.build("mobilenetv2", 32, "none")
    rescaled = keras.Model(model.input, model.get_layer("rescaling").output)
    ends = rescaled(np.stack([np.zeros((32, 32, 3)), np.full((32, 32, 3), 255)]))
    np.testing.assert_allclose(np.unique(ends), [-1, 1], atol=1e-6)


def test_the_backbone_starts_frozen_and_unfreeze_frees_it_with_its_batch_norm() -> None:
    model = models.build("mobilenetv2", 32, "none")
    assert len(model.trainable_weights) == 2
    models.unfreeze(model, 0.9)
    assert len(model.trainable_weights) > 150
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    assert {layer.momentum for layer in norms} == {0.9}


def test_weights_from_a_file_are_those_of_the_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    trained = keras.applications.MobileNetV2(input_shape=(32, 32, 3), include_top=False, weights=None)
    trained.save_weights(tmp_path / "w.weights.h5")
    model = models.build("mobilenetv2", 32, str(tmp_path / "w.weights.h5"))
    pixels = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3)).astype(np.float32)
    features = keras.Model(model.input, model.get_layer(models.FEATURES_LAYER).output)(pixels)
    expected = np.asarray(trained(pixels / 127.5 - 1)).mean(axis=(1, 2))
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras"])
def test_a_file_that_holds_no_weights_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"half a file")
    with pytest.raises(DataError, match=f"{name}: does not hold the weights of MobileNetV2"):
        models.build("mobilenetv2", 32, str(tmp_path / name))


def test_weights_of_another_network_are_an_error_that_names_both(tmp_path: Path) -> None:
    keras.applications.MobileNetV2(include_top=False, weights=None, alpha=0.35).save_weights(tmp_path / "w.weights.h5")
    with pytest.raises(DataError, match=r"w\.weights\.h5.*weights of MobileNetV2"):
        models.build("mobilenetv2", 32, str(tmp_path / "w.weights.h5"))


def test_weights_that_cannot_be_downloaded_are_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(DataError, match=r"URL fetch failure on .*; --weights takes a file, too"):
        models.build("mobilenetv2", 32, "imagenet")


def test_a_missing_weights_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--weights"):
        models.build("mobilenetv2", 32, str(tmp_path / "none.h5"))


@pytest.mark.parametrize(("name", "scale"), [("baseline", 0.3), ("mobilenetv2", 30)])
def test_mirrored_answers_with_the_mean_logit_of_the_photo_and_its_mirror_image(name: str, scale: float) -> None:
    keras.utils.set_random_seed(1)
    model = models.build(name, 64, "none")
    kernel = model.get_layer(models.LOGIT_LAYER).kernel
    kernel.assign(np.random.default_rng(2).normal(0, scale, kernel.shape))
    pixels = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    pixels[:, :, :32] /= 4
    models.unfreeze(model, 0.5)
    for _ in range(4):  # untrained, without statistics of anything, MobileNetV2 has the same answer to everything
        model(pixels, training=True)
    one, other = (logit(model(images).numpy()) for images in (pixels, pixels[:, :, ::-1]))
    assert np.abs(one - other).min() > 0.001  # the mirror image is another photo to it
    both = models.mirrored(model)
    np.testing.assert_allclose(logit(both(pixels).numpy()), (one + other) / 2, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("mirror", [False, True])
def test_the_mean_of_the_map_is_the_logit(outputs: int, mirror: bool) -> None:
    keras.utils.set_random_seed(1)
    model = models.build("baseline", 128, "none", outputs)
    kernel = model.get_layer(models.LOGIT_LAYER).kernel
    kernel.assign(np.random.default_rng(2).normal(0, 3, kernel.shape))
    pixels = np.random.default_rng(1).integers(0, 256, (3, 128, 128, 3)).astype(np.float32)
    pixels[:, :, :64] /= 4  # the left half is darker
    network = models.mirrored(model) if mirror else model
    answers, logits = (output.numpy() for output in models.with_map(network)([pixels]))
    np.testing.assert_array_equal(answers, network(pixels).numpy())
    assert logits.shape == (3, 2, 2, outputs)
    means = logits.mean(axis=(1, 2))
    np.testing.assert_allclose(answers, expit(means) if outputs == 1 else softmax(means, axis=1), rtol=1e-4, atol=1e-6)
    # What is dark is dark in the map, whichever of the two pictures the network sees it in.
    _, turned = (output.numpy() for output in models.with_map(network)([pixels[:, :, ::-1]]))
    assert np.abs(logits[:, :, 0] - logits[:, :, 1]).max() > 0.1
    if mirror:
        np.testing.assert_allclose(turned, logits[:, :, ::-1], rtol=1e-3, atol=1e-4)


def test_mirrored_may_start_behind_a_layer() -> None:
    model = models.build("baseline", 32, "none")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.float32)
    behind = models.mirrored(model, model.get_layer("rescaling").output)
    expected = models.mirrored(model)(pixels).numpy()
    np.testing.assert_allclose(behind(pixels / 127.5 - 1).numpy(), expected, rtol=1e-5)
