"""The floors run the same network as our handler, with the same answer; otherwise they would not be floors."""

import sys
from pathlib import Path

import pytest

from benchmarks import bare, events, processes
from benchmarks.cold import EXAMPLE
from benchmarks.environments import BenchmarkError
from serve.model.classifier import Classifier


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_the_warm_floor_has_our_answer(shipped_model_path: Path, tmp_path: Path, image_format: str) -> None:
    photo = events.photo(EXAMPLE, events.SMALL, image_format)
    (tmp_path / "photo").write_bytes(photo)
    event = {"path": str(tmp_path / "photo"), "format": image_format}
    with processes.worker(
        Path(sys.executable), bare.PROBES, "floor.handler", {"MODEL_PATH": str(shipped_model_path)}
    ) as worker:
        answer = worker.call(event, count=2)["answer"]
    assert events.probability(answer) == Classifier(shipped_model_path).classify(photo).probability


def test_the_cold_floor_has_our_answer(shipped_model_path: Path, tmp_path: Path) -> None:
    photo = events.photo(EXAMPLE, events.SMALL)
    (tmp_path / "photo.jpg").write_bytes(photo)
    command = [sys.executable, str(bare.PROBES / "cold_floor.py"), str(tmp_path / "photo.jpg")]
    milliseconds, answer = bare.first_answer(command, {"MODEL_PATH": str(shipped_model_path)})
    assert milliseconds > 0
    assert float(answer) == Classifier(shipped_model_path).classify(photo).probability


def test_the_cold_floor_without_a_photo_runs_on_zeros(shipped_model_path: Path) -> None:
    classifier = Classifier(shipped_model_path)
    height, width = classifier.input_size
    command = [sys.executable, str(bare.PROBES / "cold_floor.py")]
    answer = bare.first_answer(command, {"MODEL_PATH": str(shipped_model_path)})[1]
    assert float(answer) == classifier.probabilities(bytes(3 * height * width))[-1]


def test_a_probe_without_an_answer_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="ended without an answer"):
        bare.first_answer([sys.executable, "-c", "print('nothing')"], {})
