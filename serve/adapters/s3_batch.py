"""S3 Batch Operations: a job that lets the function classify each object of a manifest, of millions if need be.

"Invoke AWS Lambda function" in the Amazon S3 User Guide. Schema 1.0 names the bucket by its ARN, 2.0 by its name.
"""

import json
from typing import Any
from urllib.parse import unquote_plus

from serve.adapters._records import S3Object, member, s3_object
from serve.app import App
from serve.errors import MalformedRequestError, ProblemError
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
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": member(event, "invocationId"),
        "results": [
            {"taskId": member(task, "taskId"), "resultCode": code, "resultString": text}
            for task, (code, text) in zip(event["tasks"], _codes(event["tasks"], invocation, app), strict=True)
        ],
    }


def _codes(tasks: list[Any], invocation: Invocation, app: App) -> list[tuple[str, str]]:
    """The code and the text of each task."""
    from serve.s3.objects import classify_objects

    understood = [_object_in(task) for task in tasks]
    objects = {place: item for place, item in enumerate(understood) if isinstance(item, S3Object)}
    codes = {place: _failed(item) for place, item in enumerate(understood) if isinstance(item, ProblemError)}
    attempts = classify_objects(list(objects.values()), invocation, app, source=SOURCE)
    for place, attempt in zip(objects, attempts, strict=True):
        if attempt.retry:
            codes[place] = "TemporaryFailure", attempt.retry
        elif isinstance(attempt.answer, ProblemError):
            codes[place] = _failed(attempt.answer)
        else:
            codes[place] = "Succeeded", json.dumps(attempt.summary())
    return [codes[place] for place in range(len(tasks))]


def _object_in(task: Any) -> S3Object | MalformedRequestError:
    arn, key = member(task, "s3BucketArn"), member(task, "s3Key")
    try:
        return s3_object(
            # Of an access point, the ARN itself stands for the bucket.
            arn.rpartition(":::")[2] if isinstance(arn, str) else member(task, "s3Bucket"),
            # Encoded as in the manifest: by an inventory report, "+" for a blank; by hand, %20.
            unquote_plus(key) if isinstance(key, str) else None,
            version_id=member(task, "s3VersionId"),
        )
    except MalformedRequestError as problem:
        return problem


def _failed(problem: ProblemError) -> tuple[str, str]:
    return "PermanentFailure", problem.detail
