"""The contract beside the service: schemathesis makes requests of openapi.json, fit and unfit, and checks the answers.

The same requests each time. URLs in them are opened only if they lead to loopback: no other host is allowed.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi import checks

from tests.conftest import ROOT
from tests.local_service import LocalService, local_service, may_fetch_from
from tests.serve.servers import serving, silent

Case = schemathesis.Case[Any]

CAT = (ROOT / "examples" / "cat.jpg").read_bytes()

# What each format of the contract is here: real photos, so that a request that fits the contract must be accepted.
PHOTOS = st.sampled_from([CAT, *(file.read_bytes() for file in sorted((ROOT / "examples").glob("*.jpg")))])
BASE64 = PHOTOS.map(lambda photo: base64.b64encode(photo).decode())
schemathesis.openapi.format("byte", BASE64)
schemathesis.openapi.format("uri", BASE64.map("data:image/jpeg;base64,".__add__))
schemathesis.openapi.format("binary", PHOTOS)
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, PHOTOS)

schema = schemathesis.openapi.from_path(ROOT / "serve" / "openapi.json")
schema.config.generation.update(deterministic=True)


@schema.hook
def filter_case(_context: Any, case: Case) -> bool:
    """No OpenAPI document can say that a photo comes either in the query or in the body."""
    return case.path != "/predict" or case.method != "POST" or ("url" in case.query) != (case.body is not NOT_SET)


@pytest.fixture(scope="module")
def service(photo_server: str, seven_model_path: Path) -> Iterator[LocalService]:
    """With a model that explains its answers, and has more than two labels."""
    with local_service(**may_fetch_from(photo_server), MODEL_PATH=str(seven_model_path)) as running:
        yield running


@schema.parametrize()
@settings(max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_contract_knows(case: Case, service: LocalService) -> None:
    """All of schemathesis's checks, on requests that fit the contract and on requests that do not."""
    case.call_and_validate(base_url=service.url)


# Of requests that are made to fail: whether a status is among those that fit or do not fit a request in general.
BY_STATUS: list[Any] = [checks.positive_data_acceptance, not_a_server_error]


def test_every_status_of_the_contract_can_be_had(photo_server: str) -> None:
    operation = schema["/predict"]["POST"]
    with serving(silent) as slow:
        port = {"URL_ALLOWED_PORTS": f"{slow.port},{urlsplit(photo_server).port}", "FETCH_TIMEOUT_S": "0.5"}
        cases = {
            200: operation.Case(body=CAT, media_type="image/*"),
            400: operation.Case(body={"image": "?"}, media_type="application/json"),
            413: operation.Case(body=bytes(5_000_000), media_type="image/*"),
            415: operation.Case(body=b"GIF", media_type="image/*"),
            422: operation.Case(body={"url": "http://10.0.0.1/"}, media_type="application/json"),
            502: operation.Case(query={"url": f"{photo_server}/none.jpg"}),
            504: operation.Case(query={"url": f"http://127.0.0.1:{slow.port}/"}),
        }
        assert {str(status) for status in cases} == set(operation.definition.raw["responses"])
        with local_service(**may_fetch_from(photo_server) | port) as running:
            for status, case in cases.items():
                assert case.call_and_validate(base_url=running.url, excluded_checks=BY_STATUS).status_code == status
