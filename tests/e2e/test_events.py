"""The function, under AWS's emulator, answers each sample event under events/ as its source documents."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import ROOT
from tests.e2e.conftest import Invoke

SAMPLE_URL = "https://upload.wikimedia.org/wikipedia/commons/3/3a/Cat03.jpg"
BUCKET, KEY = "cats-dogs-uploads", "album one/Mäuschen & Rex.jpg"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def s3(cat_jpeg: bytes) -> Iterator[Any]:
    """Moto as a server, with the photo that the sample events name."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client: Any = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    for bucket in (BUCKET, "results"):
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=BUCKET, Key=KEY, Body=cat_jpeg)
    yield client
    client.close()
    server.stop()


def is_prediction(answer: Any) -> bool:
    return set(answer) == {"label", "probability", "uncertain", "model_version"} and answer["label"] in ("cat", "dog")


def is_http_prediction(answer: Any) -> bool:
    return bool(answer["statusCode"] == 200) and is_prediction(json.loads(answer["body"]))


def is_no_failure(answer: Any) -> bool:
    return bool(answer == {"batchItemFailures": []})


def is_batch_success(answer: Any) -> bool:
    (outcome,) = answer["results"]
    return bool(outcome["resultCode"] == "Succeeded") and answer["treatMissingKeysAs"].endswith("Failure")


ANSWERS: dict[str, Callable[[Any], bool]] = {
    "url": is_prediction,
    "image": is_prediction,
    "object": is_prediction,
    "http_api_url": is_http_prediction,
    "http_api_upload": is_http_prediction,
    "rest_api": is_http_prediction,
    "function_url": is_http_prediction,
    "alb": is_http_prediction,
    "health": lambda answer: json.loads(answer["body"])["status"] == "ok",
    "sqs_s3": is_no_failure,
    "sqs_sns_s3": is_no_failure,
    "sqs_eventbridge": is_no_failure,
    "pipes_sqs": is_no_failure,
    "s3_batch_v1": is_batch_success,
    "s3_batch_v2": is_batch_success,
    # These sources only see whether the call failed.
    "s3_upload": lambda answer: "errorType" not in (answer or {}),
    "sns_s3": lambda answer: "errorType" not in (answer or {}),
    "eventbridge_s3": lambda answer: "errorType" not in (answer or {}),
}


def test_every_sample_has_its_answer_here() -> None:
    assert {file.stem for file in (ROOT / "events").glob("*.json")} == set(ANSWERS)


def test_every_sample_is_answered_as_documented(
    start_emulator: Callable[..., Invoke], photo_server: str, s3: Any, root: Path
) -> None:
    invoke = start_emulator(
        **CREDENTIALS,
        AWS_ENDPOINT_URL_S3=s3.meta.endpoint_url,
        RESULTS_BUCKET="results",
        URL_ALLOWED_NETWORKS="127.0.0.0/8",
        URL_ALLOWED_PORTS=str(urlsplit(photo_server).port),
    )
    version = s3.head_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    wrong = {}
    for name, is_right in ANSWERS.items():
        text = (root / "events" / f"{name}.json").read_text(encoding="utf-8")
        photo = f"{photo_server}/cat.jpg"
        text = text.replace(SAMPLE_URL, photo).replace(quote(SAMPLE_URL, safe=""), quote(photo, safe=""))
        text = re.sub(r'(\\*"(?:versionId|version-id|s3VersionId)\\*": ?\\*")[^"\\]+', rf"\g<1>{version}", text)
        answer = invoke(json.loads(text))
        if not is_right(answer):
            wrong[name] = answer
    assert wrong == {}
    result = json.loads(s3.get_object(Bucket="results", Key=f"{BUCKET}/{KEY}.json")["Body"].read())
    assert result["label"] == "cat"
