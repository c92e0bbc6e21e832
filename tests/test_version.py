"""The version stands in `serve.VERSION` alone; all that names a version follows it."""

import re
import time
from pathlib import Path

import pytest

from serve import VERSION
from serve.app import App
from serve.fetch.fetcher import USER_AGENT
from serve.http import Request
from serve.invocation import Invocation
from serve.settings import Settings


def test_the_package_has_it(root: Path) -> None:
    setuptools = pytest.importorskip("setuptools.config.pyprojecttoml")
    assert setuptools.read_configuration(root / "pyproject.toml")["project"]["version"] == VERSION


def test_a_fetch_names_it() -> None:
    assert USER_AGENT.endswith(f"/{VERSION}")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_api_describes_it(model_path: Path, path: str) -> None:
    invocation = Invocation("request", time.monotonic() + 5)
    answer = App(Settings(model_path=model_path)).respond(Request("GET", path), invocation)
    assert f'"version": "{VERSION}"' in str(answer.body).replace("&quot;", '"')


def test_the_changes_begin_with_it(root: Path) -> None:
    """`0.2.0 - Unreleased` until it is released, then its date."""
    (first, *_) = re.findall(r"^## (.+)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(VERSION)} - (Unreleased|\d{{4}}-\d\d-\d\d)", first)
