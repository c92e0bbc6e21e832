"""What a new environment has to load is small: the model file, the code, and what the image can carry of this tree."""

import re
from pathlib import Path

import pytest

MODEL_MB = 3.0
CODE_KB = 341


def size(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def test_the_model_file_is_small(shipped_model_path: Path) -> None:
    assert size([shipped_model_path]) < MODEL_MB * 1e6


def ignored(root: Path) -> tuple[list[str], list[str]]:
    """The patterns of .dockerignore that let something in, and those that then shut something out again."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    first, *patterns = [line for line in lines if line and not line.startswith("#")]
    assert first == "*"
    return [line[1:] for line in patterns if line.startswith("!")], [line for line in patterns if line[0] != "!"]


def copied(root: Path, dockerfile: str = "Dockerfile.lambda") -> dict[str, str]:
    """The sources of this tree that a Dockerfile copies, with their destinations."""
    text = (root / dockerfile).read_text(encoding="utf-8")
    copies = [line.split() for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)]
    return {source: destination for *sources, destination in copies for source in sources}


def test_the_images_see_what_they_copy_and_nothing_else(root: Path) -> None:
    """Each pattern is for a copy, and each copy is let in: no layer with more than was meant."""
    let_in, shut_out = ignored(root)
    sources = {**copied(root), **copied(root, "k8s/Dockerfile"), **copied(root, "Dockerfile.train")}
    assert {name.partition("/")[0] for name in let_in} == {source.partition("/")[0] for source in sources}
    assert {name for name in let_in if "*" in name} == {"models/*.tflite"}
    assert shut_out == ["**/__pycache__"]


def test_the_image_carries_serve_whole(root: Path) -> None:
    """What is in the folder is in the image: the code of one is the code of the other."""
    in_app = {source: place for source, place in copied(root).items() if place.startswith("app/")}
    assert in_app == {"lambda_function.py": "app/", "serve/": "app/serve/"}


def test_the_code_in_the_image_is_small(root: Path) -> None:
    # The page's photos are no code; their size has a test of its own.
    inside = [path for path in (root / "serve").rglob("*") if path.is_file() and path.suffix not in (".pyc", ".jpg")]
    files = [root / "lambda_function.py", *inside]
    assert size(files) < CODE_KB * 1000


@pytest.mark.parametrize("lock", ["serve.txt", "serve-tflite-runtime.txt"])
def test_the_image_installs_no_package_unseen(root: Path, lock: str) -> None:
    """A dependency costs megabytes and imports: a new one belongs here, too."""
    named = re.findall(r"^([a-z0-9._-]+)==", (root / "requirements" / lock).read_text(encoding="utf-8"), re.MULTILINE)
    of_botocore = {"botocore", "jmespath", "python-dateutil", "six", "urllib3"}
    runtime = {"numpy", "tflite-runtime"} if "tflite" in lock else {"ai-edge-litert"}
    assert set(named) == {"multipart", "pi-heif", "pillow"} | of_botocore | runtime
