"""A fresh process imports for each kind of event what docs/cold-start.md lists, and nothing more.

Imports are half of the cold start: every new environment pays for each module.
"""

import base64
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from benchmarks import events
from tests.conftest import ROOT
from tests.moto_server import moto_server

BUCKET, KEY = "cats-dogs-uploads", "album one/Mäuschen & Rex.jpg"
TABLE = ROOT / "docs" / "cold-start.md"
# What urllib3 and botocore import if it happens to be installed. None of it is in the image.
OPTIONAL = {"backports", "brotli", "brotlicffi", "certifi", "zstandard"}
FLOOR = """
import json, sys
import PIL.Image
sys.path.insert(0, "benchmarks/probes")
from litert_c import Network
network = Network(sys.argv[1])
network.run(bytes(3 * network.side**2))
print(json.dumps(sorted(sys.modules)))
"""
ANSWER = """
import json, sys
import lambda_function
from serve.lazy import LazyModule
loaded = lambda: {name for name, module in sys.modules.items() if type(module) is not LazyModule}
start = loaded()
answer = lambda_function.handler(json.load(sys.stdin), None)
print(json.dumps({"answer": answer, "start": sorted(start), "event": sorted(loaded() - start)}))
"""


def run(program: str, *arguments: str, event: Any = None, **environment: str) -> Any:
    """What a fresh process prints last, which is JSON."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def floor(shipped_model_path: Path) -> set[str]:
    """The modules of a process that runs the file once, on ready bytes."""
    return named(run(FLOOR, str(shipped_model_path)))


@pytest.fixture(scope="module")
def s3(cat_jpeg: bytes) -> Iterator[dict[str, str]]:
    """Moto as a server, with a photo; yields the variables that lead to it."""
    with moto_server() as url:
        variables = {
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "RESULTS_BUCKET": "results",
            # Moto's servers of one process share their buckets: where a result is there already, S3 answers with an
            # error.
            "RESULTS_PREFIX": f"{uuid.uuid4()}/",
        }
        client: Any = boto3.client(
            "s3",
            endpoint_url=variables["AWS_ENDPOINT_URL_S3"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name="us-east-1",
        )
        for bucket in (BUCKET, "results"):
            client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=BUCKET, Key=KEY, Body=cat_jpeg)
        client.close()
        yield variables


def named(modules: list[str]) -> set[str]:
    """Our own modules and Pillow's by their whole names, all others by their packages'; no parts of the interpreter."""
    names = {name if name.startswith(("serve.", "PIL.")) else name.partition(".")[0] for name in modules}
    return {
        name for name in names if not name.startswith("_") and name not in ("encodings", "serve", "lambda_function")
    }


def listed(when: str) -> set[str]:
    """The modules that the page lists for an occasion."""
    rows = re.findall(
        r"^\| ([^|]+) \| ((?:`[\w.]+`(?:, )?)+) \| [^|]+ \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {name for occasion, names in rows if occasion == when for name in re.findall(r"`([\w.]+)`", names)}


def ours(names: set[str]) -> set[str]:
    """Without the standard library, whose modules import each other as each version of Python likes."""
    return {name for name in names if name not in sys.stdlib_module_names} - OPTIONAL


def event_of(kind: str, photo: bytes, server: str) -> Any:
    encoded = {"image": base64.b64encode(photo).decode()}
    match kind:
        case "URL":
            return {"url": f"{server}/cat.jpg"}
        case "upload":
            return events.upload(photo)
        case "form":
            return events.upload(events.form(photo), events.FORM)
        case "JSON":
            return events.upload(json.dumps(encoded).encode(), "application/json")
        case "S3":
            text = (ROOT / "events" / "s3_upload.json").read_text(encoding="utf-8")
            return json.loads(re.sub(r'"versionId": ?"[^"]+",?', "", text))  # moto's bucket has no versions
    return events.http_api("GET", {"health": "/health", "contract": "/openapi.json", "page": "/"}[kind])


def is_answer(kind: str, answer: Any) -> bool:
    if kind in ("health", "contract", "page"):
        return bool(answer["statusCode"] == 200)
    return '"label' in json.dumps(answer)


@pytest.mark.parametrize("kind", ["URL", "upload", "JSON", "form", "S3", "health", "contract", "page"])
def test_an_event_imports_what_it_needs_and_no_more(
    kind: str, floor: set[str], s3: dict[str, str], photo_server: str, cat_jpeg: bytes
) -> None:
    variables = {"URL_ALLOWED_NETWORKS": "127.0.0.0/8", "URL_ALLOWED_PORTS": str(urlsplit(photo_server).port), **s3}
    event = event_of(kind, cat_jpeg, photo_server)
    seen = run(ANSWER, event=event, **variables)
    assert is_answer(kind, seen["answer"])
    assert "numpy" not in {*seen["start"], *seen["event"]}
    start, more = named(seen["start"]) - floor, named(seen["event"]) - named(seen["start"]) - floor
    assert ours(start) == ours(listed("start"))
    assert ours(more) == ours(listed(kind))
    assert start <= listed("start")
    # botocore and urllib3 import half of the standard library.
    assert kind == "S3" or more <= listed(kind)


def test_nothing_that_is_listed_is_there_without_need(floor: set[str], s3: dict[str, str]) -> None:
    """A row that no longer holds goes away; in another version of Python, the standard library may need less."""
    assert listed("start") & floor == set()
    if sys.version_info[:2] == (3, 11):
        seen = run(ANSWER, event=events.http_api("GET", "/health"), **s3)
        assert listed("start") <= named(seen["start"])
