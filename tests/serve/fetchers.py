"""A fetcher with the policy of the default settings, over the small Internet of `servers`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from serve.app import fetch_policy
from serve.fetch.fetcher import Fetcher, FetchPolicy
from serve.settings import Settings
from tests.serve.servers import PUBLIC, PUBLIC_V6, Answer, Internet, serving

NAMES: dict[str, Sequence[str]] = {
    "example.org": [PUBLIC],
    "www.example.org": [PUBLIC],
    "badexample.org": [PUBLIC],
    "xn--ktzchen-5wa.example": [PUBLIC],
    "under_score.example": [PUBLIC],
    "dual.example": [PUBLIC_V6, PUBLIC],
    "nat64.example": ["64:ff9b::" + PUBLIC],
    "second-is-private.example": [PUBLIC, "10.0.0.1"],
    "first-is-private.example": ["10.0.0.1", PUBLIC],
    "v6-is-private.example": [PUBLIC, "fd00::1"],
    "private.example": ["10.1.2.3"],
    "localhost": ["::1", "127.0.0.1"],
    "localtest.example": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "zone.example": ["fe80::1%2"],
    "empty.example": [],
    "garbage.example": ["not an address"],
}


def policy(**changes: Any) -> FetchPolicy:
    """The policy of the default settings, with these changes."""
    return fetch_policy(Settings())._replace(**changes)


def fetcher(internet: Internet, ca_file: Path | None = None, **changes: Any) -> Fetcher:
    return Fetcher(policy(**changes), internet.resolve, internet.dial, str(ca_file) if ca_file else None)


def fetch_from(answer: Answer, url: str = "http://example.org/cat.jpg", **changes: Any) -> bytes:
    with serving(answer) as running:
        return fetcher(Internet(running.port, dict(NAMES)), **changes).fetch(url)
