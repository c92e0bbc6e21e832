"""Servers on loopback that the tests of fetching share."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.fetchers import NAMES
from tests.serve.servers import Internet, Server, photo, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Has the photo under every path."""
    with serving(photo()) as running:
        yield running


@pytest.fixture
def internet(server: Server) -> Internet:
    return Internet(server.port, dict(NAMES))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("cryptography")
    from tests.serve.certificates import Authority

    return Authority(tmp_path_factory.mktemp("authority"))
