"""Amazon SQS: messages that announce objects in S3, each done or not done by itself (partial batch responses).

The event source mapping must have `ReportBatchItemFailures` among its function response types.
"""

from typing import Any

from serve import telemetry
from serve.adapters._records import DeliverAgainError, S3Object, is_records_of, member
from serve.adapters.messages import objects_in
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

SOURCE = "sqs"


def infer(event: Any) -> bool:
    """Records of SQS."""
    return is_records_of(event, "eventSource", "aws:sqs")


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """The messages that the queue must keep: "Handling errors for an SQS event source" in the Lambda Developer Guide.

    The queue keeps a message of which an object is not done, or that is not understood: after a few more attempts it
    moves to the dead-letter queue, where a person can see it.

    Raises:
        DeliverAgainError: a message has no id, so that only the whole batch can be delivered again.
        SettingsError: there is no results bucket.
    """
    from serve.s3.objects import classify_objects

    objects, keep = [], set[str]()
    for message_id, body in _messages(event):
        found = _objects_in(body, invocation)
        objects += [(message_id, item) for item in found or ()]
        if found is None:
            keep.add(message_id)
    attempts = classify_objects([item for _, item in objects], invocation, app, source=SOURCE)
    keep |= {message_id for (message_id, _), attempt in zip(objects, attempts, strict=True) if attempt.retry}
    kept = [message_id for message_id, _ in _messages(event) if message_id in keep]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in kept]}


def _messages(event: dict[str, Any]) -> list[tuple[str, Any]]:
    messages = [(member(record, "messageId"), member(record, "body")) for record in event["Records"]]
    if not all(isinstance(message_id, str) and message_id for message_id, _ in messages):
        raise DeliverAgainError("A message of SQS has no messageId.")
    return messages


def _objects_in(body: Any, invocation: Invocation) -> list[S3Object] | None:
    """The objects that a message announces, or None if it is not understood, which is logged."""
    try:
        return objects_in(body)
    except MalformedRequestError as problem:
        record = telemetry.Record(invocation, source=SOURCE)
        record.add_problem(problem)
        record.emit()
        return None
