"""S3 Batch Operations: a job that lets the function classify each object of a manifest, of millions if need be.

"Invoke AWS Lambda function" in the Amazon S3 User Guide. Schema 1.0 names the bucket by its ARN, 2.0 by its name.
"""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from serve.adapters.s3 import member
from serve.app import App
from serve.errors import MalformedRequestError, ProblemError
from serve.invocation import Invocation

if TYPE_CHECKING:  # at run time these are loaded when an event needs them: others do not pay
    from serve.s3.results import Outcome, S3Object

SOURCE = "s3-batch"


def infer(event: Any) -> bool:
    """An invocation with tasks."""
    return isinstance(member(event, "invocationSchemaVersion"), str) and isinstance(member(event, "tasks"), list)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """A result code for each task, and for the job's report the label or the problem.

    Raises:
        SettingsError: there is no results bucket.
    """
    from serve.s3.results import classify_objects

    tasks = event["tasks"]
    understood = [_object_in(task) for task in tasks]
    objects = [item for item in understood if not isinstance(item, MalformedRequestError)]
    outcomes = iter(classify_objects(objects, invocation, app, source=SOURCE))
    return {
        "invocationSchemaVersion": event["invocationSchemaVersion"],
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": member(event, "invocationId"),
        "results": [
            _result(task, *(_failed(item) if isinstance(item, MalformedRequestError) else _code(next(outcomes))))
            for task, item in zip(tasks, understood, strict=True)
        ],
    }


def _object_in(task: Any) -> "S3Object | MalformedRequestError":
    from serve.s3.results import s3_object

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


def _code(outcome: "Outcome") -> tuple[str, str]:
    if outcome.must_retry:
        return "TemporaryFailure", str(outcome.answer)
    if isinstance(outcome.answer, ProblemError):
        return _failed(outcome.answer)
    return "Succeeded", json.dumps(outcome.summary())


def _failed(problem: ProblemError) -> tuple[str, str]:
    return "PermanentFailure", problem.detail


def _result(task: Any, code: str, text: str) -> dict[str, Any]:
    return {"taskId": member(task, "taskId"), "resultCode": code, "resultString": text}
