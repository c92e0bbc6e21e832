"""What the formats of openapi.json are in tests: hooks of schemathesis's command line."""

import base64
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NOT_SET

from tests.conftest import ROOT

PHOTOS = [file.read_bytes() for file in sorted((ROOT / "examples").glob("*.jpg"))]

# Real photos, so that a request that fits the contract must be accepted.
photos = st.sampled_from(PHOTOS)
encoded = st.sampled_from([base64.b64encode(photo).decode() for photo in PHOTOS])
schemathesis.openapi.format("byte", encoded)
schemathesis.openapi.format("uri", encoded.map("data:image/jpeg;base64,".__add__))
schemathesis.openapi.format("binary", photos)
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, photos)


@schemathesis.hook
def filter_case(_context: Any, case: schemathesis.Case[Any]) -> bool:
    """No OpenAPI document can say that a photo comes either in the query or in the body."""
    return case.path != "/predict" or case.method != "POST" or ("url" in case.query) != (case.body is not NOT_SET)
