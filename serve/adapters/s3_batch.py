"""S3 Batch Operations: a job that lets the function classify each object of a manifest, of millions if need be.

"Invoke AWS Lambda function" in the Amazon S3 User Guide. Schema 1.0 names the bucket by its ARN, 2.0 by its name.
"""

import json
from typing import Any
from urllib.parse import unquote_plus

from serve.adapters._records import S3Object, announced, member, s3_object
from serve.app import App
from serve.errors import ProblemError
from serve.invocation import Invocation

SOURCE = "s3-batch"


def infer(event: Any) -> bool:
    """An invocation with tasks."""
    return isinstance(member(event, "invocationSchemaVersion"), str) and isinstance(member(event, "tasks"), list)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """A result code for each task; the text beside it, for the job's report, is the result or the problem.

    Raises:
        SettingsError: there is no results bucket.
    """
    from serve.s3.objects import classify_objects

    tasks = event["tasks"]
    attempts = classify_objects([announced(_object_in, task) for task in tasks], invocation, app, source=SOURCE)
    codes = [_code(attempt.answer, attempt.retry, attempt.summary()) for attempt in attempts]
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": member(event, "invocationId"),
        "results": [
            {"taskId": member(task, "taskId"), "resultCode": code, "resultString": text}
            for task, (code, text) in zip(tasks, codes, strict=True)
        ],
    }


def _object_in(task: Any) -> S3Object:
    arn, key = member(task, "s3BucketArn"), member(task, "s3Key")
    return s3_object(
        _bucket(arn) if isinstance(arn, str) else member(task, "s3Bucket"),
        # Encoded as in the manifest: by an inventory report, "+" for a blank; by hand, %20.
        unquote_plus(key) if isinstance(key, str) else None,
        version_id=member(task, "s3VersionId"),
    )


def _bucket(arn: str) -> str:
    """The name of a bucket, from its ARN with or without region and account; an access point's ARN stands for itself.

    "Policy resources for Amazon S3" in the Amazon S3 User Guide has one form, the sample request of "Invoke AWS Lambda
    function" the other.
    """
    resource = arn.split(":", 5)[-1]
    return resource if "/" not in resource and ":" not in resource else arn


def _code(answer: object, retry: str, summary: dict[str, Any]) -> tuple[str, str]:
    """The result code of a task, and the text for the report."""
    if isinstance(answer, ProblemError):
        return "PermanentFailure", answer.detail
    return ("TemporaryFailure", retry) if retry else ("Succeeded", json.dumps(summary))
