"""What a new environment has to load is small: the model file, the code, and what the image can carry of this tree."""

import re
from pathlib import Path

import pytest

MODEL_MB = 3.0
CODE_KB = 300


def size(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def test_the_model_file_is_small(model_path: Path) -> None:
    assert size([model_path]) < MODEL_MB * 1e6


def let_in(root: Path) -> list[str]:
    """The patterns of .dockerignore that let something in: all else is shut out by its "*"."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    return [pattern[1:] for pattern in patterns if pattern.startswith("!")]


def copied(root: Path) -> list[str]:
    """What Dockerfile.lambda copies out of this tree."""
    text = (root / "Dockerfile.lambda").read_text(encoding="utf-8")
    return [source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for source in line.split()]


def test_the_image_sees_what_it_copies_and_nothing_else(root: Path) -> None:
    """Each pattern is for a copy, and each copy is let in: no layer with more than was meant."""
    seen = {pattern.partition("/")[0] for pattern in let_in(root)}
    assert seen == {source.partition("/")[0] for source in copied(root)}
    assert {pattern for pattern in let_in(root) if "*" in pattern} == {"models/*.tflite"}


def test_the_code_in_the_image_is_small(root: Path) -> None:
    files = [root / "lambda_function.py", *(root / "serve").rglob("*.py"), *(root / "serve").glob("*.html")]
    assert size(files) < CODE_KB * 1000


@pytest.mark.parametrize("lock", ["serve.txt", "serve-tflite-runtime.txt"])
def test_the_image_installs_no_package_unseen(root: Path, lock: str) -> None:
    """A dependency more is megabytes and imports more: whoever adds one says so here."""
    named = re.findall(r"^([a-z0-9._-]+)==", (root / "requirements" / lock).read_text(encoding="utf-8"), re.MULTILINE)
    of_botocore = {"botocore", "jmespath", "python-dateutil", "six", "urllib3"}
    runtime = {"tflite-runtime"} if "tflite" in lock else {
        "ai-edge-litert", "backports-strenum", "flatbuffers", "ml-dtypes", "protobuf", "tqdm", "typing-extensions"
    }  # fmt: skip
    assert set(named) == {"multipart", "numpy", "pillow"} | of_botocore | runtime
