"""The program lines of docs/faq.md work as they stand there."""

import re
from pathlib import Path

import pytest

from serve.model import model_file
from serve.model.classifier import Classifier
from serve.model.preprocess import decode


@pytest.fixture
def lines(root: Path) -> list[str]:
    return re.findall(r"```python\n(.+?)```", (root / "docs" / "faq.md").read_text(encoding="utf-8"), re.DOTALL)


def test_a_description_is_packed_into_a_file_of_ones_own(
    lines: list[str], tmp_path: Path, model_path: Path, cat_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packing,) = (block for block in lines if "pack(" in block)
    whole = model_path.read_bytes()
    (tmp_path / "mine.tflite").write_bytes(whole[: whole.index(b"PK\3\4")])  # as a converter writes it
    (tmp_path / "models").mkdir()
    with pytest.raises(ValueError, match="no description"):
        model_file.read(tmp_path / "mine.tflite")
    monkeypatch.chdir(tmp_path)
    exec(packing, {})
    answer = Classifier(tmp_path / "models" / "mine.tflite").classify(cat_jpeg)
    assert (answer.label, answer.uncertain) == ("cat", False)
    assert answer.model_version == model_file.read(model_path).version


def test_pixels_are_made_as_in_training(
    lines: list[str], root: Path, cat_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (decoding,) = (block for block in lines if "decode(" in block)
    monkeypatch.chdir(root)
    names: dict[str, object] = {}
    exec(decoding, names)
    assert names["pixels"] == decode(cat_jpeg, 160, 160)
