"""What the tests of S3 results share: uploads, and deliveries of the events that announce them."""

from typing import TYPE_CHECKING, Any

from serve.adapters._records import S3Object
from serve.app import App
from serve.invocation import Invocation
from serve.s3.objects import classify_objects
from tests.serve.s3_servers import UPLOADS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "album one/Mäuschen + Rex.jpg"


def put(s3: "S3Client", body: bytes, key: str = KEY) -> str:
    """Upload, and return the version, if the bucket has versions."""
    return s3.put_object(Bucket=UPLOADS, Key=key, Body=body).get("VersionId", "")


def with_versions(s3: "S3Client") -> None:
    s3.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})


def classify(app: App, invocation: Invocation, *objects: S3Object) -> list[Any]:
    """The kind of each answer, or "retry"."""
    return [
        "retry" if attempt.retry else type(attempt.answer)
        for attempt in classify_objects(objects, invocation, app, source="test")
    ]
