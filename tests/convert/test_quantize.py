"""Each precision: the file loads where it must, has the types it promises, and answers as the network does."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image
from scipy.special import expit

from convert import measure, modes, quantize, verify
from serve.model import model_file
from serve.model.classifier import Classifier
from tests.conftest import jpeg
from train import data, models
from train.pixels import Pixels

SIZE = 32


@pytest.fixture(scope="module")
def model(photos: Pixels) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = models.build("baseline", SIZE, "none")
    # Untrained, all answers would be 1/2, and agreement would say nothing: let the photos tell batch normalization
    # their statistics, and make the head see differences.
    models.unfreeze(model, 0.5)
    for _ in range(8):
        model(photos.astype(np.float32), training=True)
    kernel = model.get_layer(models.LOGIT_LAYER).kernel
    kernel.assign(np.random.default_rng(2).normal(0, 0.2, kernel.shape))
    return model


@pytest.fixture(scope="module")
def photos() -> Pixels:
    random = np.random.default_rng(3)
    colors = random.integers(0, 256, (40, 1, 1, 3))
    noise = random.normal(0, 30, (40, SIZE, SIZE, 3))
    return np.clip(colors + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=modes.MODES)
def mode(request: pytest.FixtureRequest) -> modes.Mode:
    return request.param


@pytest.fixture(scope="module")
def converted(mode: modes.Mode, model: keras.Model, photos: Pixels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp(mode) / "model.tflite"
    content = quantize.convert(models.with_map(model), mode, photos)
    file.write_bytes(model_file.pack(content, ("cat", "dog"), "dog", {}))
    return file


def test_types_are_as_promised(mode: modes.Mode, converted: Path) -> None:
    interpreter = Interpreter(model_path=str(converted))
    (inputs,), outputs = interpreter.get_input_details(), interpreter.get_output_details()
    assert {(output["dtype"], *output["shape"]) for output in outputs} == {(np.float32, 1, 1), (np.float32, 1, 1, 1, 1)}
    assert inputs["shape"].tolist() == [1, SIZE, SIZE, 3]
    (signature,) = interpreter.get_signature_list().values()
    assert signature == {"inputs": ["image"], "outputs": sorted(modes.OUTPUTS)}
    if mode == "int8":
        assert inputs["dtype"] is np.uint8
        assert inputs["quantization"] == (1.0, 0)  # a pixel is its own quantized value
    else:
        assert inputs["dtype"] is np.float32


def test_weights_have_the_size_of_their_precision(mode: modes.Mode, converted: Path, model: keras.Model) -> None:
    bytes_a_weight = {"int8": 1, "dynamic": 1, "float16": 2, "none": 4}[mode]
    least = model.count_params() * bytes_a_weight
    assert 0.9 * least < converted.stat().st_size < 1.35 * least  # batch normalization is folded away


def test_it_answers_as_the_network_does(mode: modes.Mode, converted: Path, model: keras.Model, photos: Pixels) -> None:
    classifier = Classifier(converted)
    answers = np.array([classifier.probabilities(photo.tobytes())[-1] for photo in photos])
    expected = model.predict(photos.astype(np.float32), verbose=0)[:, 0]
    assert expected.std() > 0.01  # there is something to agree on
    atol = {"int8": 0.1, "dynamic": 0.1, "float16": 0.01, "none": 1e-4}[mode]
    np.testing.assert_allclose(answers, expected, atol=atol)
    assert np.corrcoef(answers, expected)[0, 1] > 0.9


def test_its_map_explains_the_answer(converted: Path, photos: Pixels) -> None:
    classifier = Classifier(converted)
    for photo in photos[:8]:
        prediction = classifier.classify(jpeg(Image.fromarray(photo)), explain=True)
        assert prediction.explanation is not None
        log_odds = np.mean(prediction.explanation) * (1 if prediction.label == "dog" else -1)
        assert expit(log_odds) == pytest.approx(prediction.probability, abs=0.01)


@pytest.mark.parametrize("mode", ["int8", "float16"], indirect=True)
def test_it_runs_in_tflite_runtime_too(
    mode: modes.Mode, converted: Path, root: Path, photos: Pixels, tmp_path: Path
) -> None:
    python = root / ".venv/tflite-runtime-test/bin/python"
    if not python.is_file():
        pytest.skip("needs .venv/tflite-runtime-test, which `make test` makes where there is Python 3.11")
    stored = []
    for number, photo in enumerate(photos[:8]):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(Image.fromarray(photo)))
        stored.append(data.StoredPhoto(f"{number}", 0, str(tmp_path / f"{number}.jpg")))
    there = verify.measure_in(python, converted, stored)
    here = measure.measure(converted, (photo.data for photo in stored))
    assert (there["runtime"], here["runtime"]) == ("tflite-runtime", "ai-edge-litert")
    np.testing.assert_allclose(there["probabilities"], here["probabilities"], atol=0.06)


@pytest.mark.parametrize(("outputs", "last"), [(1, "LOGISTIC"), (3, "SOFTMAX")])
def test_the_head_of_int8_stays_float(outputs: int, last: str, photos: Pixels) -> None:
    content = quantize.convert(models.build("baseline", SIZE, "none", outputs), "int8", photos)
    interpreter = Interpreter(model_content=content)
    types = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    found = {
        operation["op_name"]: {types[each] for each in (*operation["inputs"], *operation["outputs"]) if each in types}
        for operation in interpreter._get_ops_details()
    }
    assert found["FULLY_CONNECTED"] == found[last] == {np.float32}
    assert np.float32 not in found["CONV_2D"]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, outputs]


def test_int8_without_photos_to_calibrate_on_is_an_error(model: keras.Model) -> None:
    with pytest.raises(ValueError, match="calibrate"):
        quantize.convert(model, "int8")
