"""The contract beside the service: schemathesis makes requests of openapi.json, fit and unfit, and checks the answers.

The same requests each time. URLs in them are opened only if they lead to loopback: no other host is allowed.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.conftest import ROOT
from tests.local_service import LocalService, local_service, may_fetch_from
from tests.serve.servers import serving, silent

Case = schemathesis.Case[Any]

CAT = (ROOT / "examples" / "cat.jpg").read_bytes()

# Not whether all that fits the schema is accepted: no schema can say which base64 is a photo, or which URL leads there.
CONFORMANCE = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
CHECKS = [not_a_server_error, *CONFORMANCE]

# Photos, cut off and overwritten in places, and bytes of any kind.
schemathesis.openapi.media_type(
    "image/*",
    st.just(CAT)
    | st.binary(max_size=100)
    | st.builds(lambda end: CAT[:end], st.integers(3, len(CAT)))
    | st.builds(lambda at, junk: CAT[:at] + junk + CAT[at:], st.integers(3, len(CAT)), st.binary(max_size=40)),
)


@pytest.fixture(scope="module")
def service(photo_server: str) -> Iterator[LocalService]:
    with local_service(**may_fetch_from(photo_server)) as running:
        yield running


schema = schemathesis.openapi.from_path(ROOT / "serve" / "openapi.json")
schema.config.generation.update(deterministic=True)


@schema.parametrize()
@settings(max_examples=300, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_contract_knows(case: Case, service: LocalService) -> None:
    case.call_and_validate(base_url=service.url, checks=CHECKS)
    if case.query and case.body:  # two photos: the one in the body by itself would be looked at
        case.query = {}
        case.call_and_validate(base_url=service.url, checks=CHECKS)


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
                assert case.call_and_validate(base_url=running.url, checks=CONFORMANCE).status_code == status
