"""The contract beside the service: schemathesis makes requests of openapi.json, fit and unfit, and checks the answers.

The same requests each time. URLs in them are opened only if they lead to loopback: no other host is allowed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.conftest import ROOT
from tests.e2e import contract
from tests.local_service import LocalService, local_service, may_fetch_from
from tests.serve.servers import serving, silent

CONTRACT = ROOT / "serve" / "openapi.json"
CAT = (ROOT / "examples" / "cat.jpg").read_bytes()

schema = schemathesis.openapi.from_path(CONTRACT)


@pytest.fixture(scope="module")
def service(photo_server: str, seven_model_path: Path) -> Iterator[LocalService]:
    """With a model that explains its answers, and has more than two labels."""
    with local_service(**may_fetch_from(photo_server), MODEL_PATH=str(seven_model_path)) as running:
        yield running


def checked(document: Path, service: LocalService, folder: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    """Schemathesis's findings about the service; it writes to the folder."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", str(document), "--url", service.url, *flags]
    command += ["--generation-deterministic", "--suppress-health-check", "all"]
    hooks = {"SCHEMATHESIS_HOOKS": contract.__name__, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env={**os.environ, **hooks}, cwd=folder, capture_output=True, text=True, check=False)


def test_every_answer_is_one_that_the_contract_knows(service: LocalService, tmp_path: Path) -> None:
    """All of schemathesis's checks, on requests that fit the contract and on requests that do not."""
    done = checked(CONTRACT, service, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "300")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_answer_that_it_does_not_know_is_found(service: LocalService, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(CONTRACT.read_text().replace('"200"', '"299"'))
    done = checked(document, service, tmp_path, "--phases", "fuzzing", "--include-path", "/health")
    assert done.returncode == 1
    assert "Undocumented status code" in done.stdout


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
