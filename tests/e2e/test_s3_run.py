"""The whole S3 path: upload -> S3 notifies -> SQS -> the function under AWS's emulator -> the result, read back."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from serve.model import model_file
from tests.e2e.conftest import Invoke
from tests.moto_server import moto_server

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Moto as a server: S3 that notifies, and SQS; yields its URL."""
    with moto_server() as url:
        yield url


@pytest.fixture
def client(aws: str) -> Iterator[Callable[[str], Any]]:
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    clients: list[Any] = []

    def make(service: str) -> Any:
        clients.append(session.client(service, endpoint_url=aws))  # type: ignore[call-overload]
        return clients[-1]

    yield make
    for each in clients:
        each.close()


def test_from_upload_to_result(
    client: Callable[[str], Any],
    aws: str,
    start_emulator: Callable[..., Invoke],
    cat_jpeg: bytes,
    shipped_model_path: Path,
) -> None:
    s3, sqs = client("s3"), client("sqs")
    s3.create_bucket(Bucket="uploads")
    s3.create_bucket(Bucket="results")
    queue = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.put_bucket_notification_configuration(
        Bucket="uploads",
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    s3.put_object(Bucket="uploads", Key="a cat+dog/Käse & cat.jpg", Body=cat_jpeg)
    s3.put_object(Bucket="uploads", Key="notes.txt", Body=b"no photo")
    long = "k" * 1020  # which with the rest of a result's key is longer than S3 takes
    s3.put_object(Bucket="uploads", Key=long, Body=cat_jpeg)

    invoke = start_emulator(
        **CREDENTIALS, AWS_ENDPOINT_URL_S3=aws, RESULTS_BUCKET="results", RESULTS_PREFIX="v1/", RESULT_TAGS="true"
    )
    event = {"Records": [as_record(message, arn) for message in receive_all(sqs, queue)]}
    assert len(event["Records"]) >= 3
    assert invoke(event) == {"batchItemFailures": []}

    def read(key: str) -> Any:
        return json.loads(s3.get_object(Bucket="results", Key=f"v1/uploads/{key}.json")["Body"].read())

    assert read("a cat+dog/Käse & cat.jpg")["label"] == "cat"
    assert read("a cat+dog/Käse & cat.jpg")["model_version"] == model_file.read(shipped_model_path).version
    assert read("notes.txt")["error"]["status"] == 415
    assert read(f"{long[:943]}~{hashlib.sha256(f'uploads/{long}'.encode()).hexdigest()}")["source"]["key"] == long
    tags = s3.get_object_tagging(Bucket="uploads", Key="a cat+dog/Käse & cat.jpg")["TagSet"]
    assert {"Key": "label", "Value": "cat"} in tags


def receive_all(sqs: Any, queue: str) -> list[dict[str, Any]]:
    messages = []
    while batch := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        messages += batch
    return messages


def as_record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    """A message as Lambda's event source mapping hands it on."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {},
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }
