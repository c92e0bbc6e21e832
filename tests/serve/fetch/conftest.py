"""Servers on loopback that the tests of fetching share."""

from collections.abc import Iterator

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
