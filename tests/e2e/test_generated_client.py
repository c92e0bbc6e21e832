"""A client that openapi-python-client writes from openapi.json uploads a photo, its bytes unchanged."""

import importlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.local_service import local_service


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package that the generator writes."""
    pytest.importorskip("openapi_python_client", reason="a tool of the development environment")
    folder = tmp_path_factory.mktemp("generated")
    config = folder / "config.yml"
    config.write_text("post_hooks: []\n")
    contract, package = ROOT / "serve" / "openapi.json", folder / "generated_client"
    command = f"generate --path {contract} --output-path {package} --meta none --config {config}"
    subprocess.run([sys.executable, "-m", "openapi_python_client", *command.split()], check=True, capture_output=True)
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"generated_client.{name}")
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def answer(client: Any, cat_jpeg: bytes) -> Iterator[Any]:
    """Sends a body with the generated client."""
    with local_service() as service, client("client").Client(base_url=service.url) as session:
        yield lambda body: client("api.default.predict").sync_detailed(client=session, body=body)


def test_as_a_form(client: Any, answer: Any, cat_jpeg: bytes) -> None:
    file = client("types").File(io.BytesIO(cat_jpeg), "cat.jpg", "image/jpeg")
    found = answer(client("models").PhotoForm(file=file))
    assert (found.status_code, found.parsed.label, found.parsed.uncertain) == (200, "cat", False)


def test_as_bytes(client: Any, answer: Any, cat_jpeg: bytes) -> None:
    assert answer(client("types").File(io.BytesIO(cat_jpeg))).parsed.label == "cat"


def test_a_problem_is_one_of_the_contract(client: Any, answer: Any) -> None:
    problem = answer(client("types").File(io.BytesIO(b"<html>")))
    assert (problem.status_code, problem.parsed.title) == (415, "Unsupported image type")


def test_what_the_contract_calls_binary_is_a_file(client: Any) -> None:
    source = Path(client("models.photo_form").__file__).read_text(encoding="utf-8")
    assert "file: File" in source
