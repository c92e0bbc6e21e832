from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from scipy.special import expit, logit

from benchmarks import derive
from benchmarks.environments import BenchmarkError
from train import models

SIZE = 32
TEMPERATURE = 2.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("network") / "network.keras"
    models.baseline(SIZE).save(path)
    return path


@pytest.fixture(scope="module")
def pixels() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(1).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)


@pytest.fixture(scope="module", params=["--mirror", "--no-mirror"])
def mirror(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def expected(network: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]], mirror: str) -> float:
    """P of the logit divided by the temperature, or of the mean of the photo's logit and its mirror image's."""
    looked_at = np.concatenate([pixels, pixels[:, :, ::-1]]) if mirror == "--mirror" else pixels
    return float(expit(logit(keras.models.load_model(network).predict(looked_at)).mean() / TEMPERATURE))


def derived(network: Path, mirror: str, folder: Path, kind: str) -> Path:
    derive.main([f"--temperature={TEMPERATURE}", mirror, str(network), str(folder), kind])
    assert [path.name for path in folder.iterdir()] == [derive.DERIVED[kind]]
    return folder / derive.DERIVED[kind]


def test_keras_takes_raw_pixels(
    network: Path,
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    mirror: str,
    expected: float,
    tmp_path: Path,
) -> None:
    model = keras.models.load_model(derived(network, mirror, tmp_path, "keras"))
    assert float(model(pixels)[0, 0]) == pytest.approx(expected, abs=1e-5)


def test_float32_takes_pixels_from_minus_one_to_one(
    network: Path,
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    mirror: str,
    expected: float,
    tmp_path: Path,
) -> None:
    interpreter = Interpreter(model_path=str(derived(network, mirror, tmp_path, "float32")))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels / 127.5 - 1)
    interpreter.invoke()
    answer = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert float(answer[0, 0]) == pytest.approx(expected, abs=1e-5)


def test_onnx_takes_pixels_from_minus_one_to_one(
    network: Path,
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    mirror: str,
    expected: float,
    tmp_path: Path,
) -> None:
    pytest.importorskip("tf2onnx", reason="needs tf2onnx, which `make .venv/dev/installed` installs")
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(derived(network, mirror, tmp_path, "onnx")))
    answer = evaluator.run(None, {evaluator.input_names[0]: pixels / 127.5 - 1})
    assert float(answer[0][0, 0]) == pytest.approx(expected, abs=1e-5)


def test_without_a_network_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="make it with `make train`"):
        derive.derived(tmp_path, ["float32"])


def test_the_shipped_files_are_used_as_they_are(root: Path) -> None:
    assert derive.derived(root, ["int8", "float16"]) == {
        "int8": root / "models" / "cats_dogs.tflite",
        "float16": root / "models" / "cats_dogs.float16.tflite",
    }
