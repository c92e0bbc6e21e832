import subprocess
import zipfile
from pathlib import Path

import pytest

from serve.model import model_file
from serve.model.classifier import Classifier


def test_what_is_packed_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack(b"a model", ("yes", "no"), "yes", {"quantization": "int8"}))
    description = model_file.read(file)
    assert description.labels == ("yes", "no")
    assert description.positive_class == "yes"
    assert description.details == {"quantization": "int8"}


def test_more_than_two_labels_need_no_positive_class(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack(b"a model", ("a", "b", "c"), None, {}))
    assert model_file.read(file)[:2] == (("a", "b", "c"), None)


def test_the_confidence_threshold_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    file.write_bytes(model_file.pack(b"a model", ("a", "b"), "b", {"confidence_threshold": 0.9}))
    assert model_file.read(file).confidence_threshold == 0.9
    file.write_bytes(model_file.pack(b"a model", ("a", "b"), "b", {}))
    assert model_file.read(file).confidence_threshold is None


def test_the_version_is_of_the_model_alone(tmp_path: Path) -> None:
    versions = []
    for number, (model, details) in enumerate([(b"one", {}), (b"one", {"note": "else"}), (b"two", {})]):
        file = tmp_path / str(number)
        file.write_bytes(model_file.pack(model, ("a", "b"), "b", details))
        versions.append(model_file.read(file).version)
    assert versions[0] == versions[1] != versions[2]


def test_the_same_content_gives_the_same_bytes() -> None:
    assert model_file.pack(b"m", ("a", "b"), "b", {}) == model_file.pack(b"m", ("a", "b"), "b", {})


def test_any_zip_tool_lists_the_labels(model_path: Path) -> None:
    with zipfile.ZipFile(model_path) as file:
        assert file.read("labels.txt").decode().split() == ["cat", "dog"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip behind it",
        model_file.pack(b"m", ("only",), "only", {}),
        model_file.pack(b"m", ("a", "b"), "c", {}),
        model_file.pack(b"m", ("a", "b"), None, {}),
        model_file.pack(b"m", ("a", "b", "a"), None, {}),
        model_file.pack(b"m", ("a", "b", "c"), "a", {}),
        model_file.pack(b"m", ("a", "b"), "b", {})[:-30],
    ],
)
def test_a_file_without_a_whole_description_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.tflite"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.tflite"):
        model_file.read(file)


def test_replacing_the_file_replaces_labels(model_path: Path, tmp_path: Path, cat_jpeg: bytes) -> None:
    file = tmp_path / "renamed.tflite"
    file.write_bytes(model_file.pack(model_path.read_bytes(), ("mog", "pup"), "pup", {}))
    assert Classifier(file).classify(cat_jpeg).label == "mog"


def test_serving_needs_no_tensorflow(root: Path, tmp_path: Path) -> None:
    """In an environment that has it: importing all of `serve` does not."""
    import sys

    program = (
        "import sys, serve.adapters, serve.app; "
        "print([name for name in sys.modules if name.startswith(('tensorflow', 'keras'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
