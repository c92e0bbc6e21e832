"""The model of the tests here: one of cats and dogs, whatever is in models/."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cats_and_dogs(model_path: Path) -> Iterator[None]:
    """For the commands and services that tests start, too."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MODEL_PATH", str(model_path))
        yield
