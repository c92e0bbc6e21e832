"""Amazon SQS: messages that tell of objects in S3, each done or not done by itself (partial batch responses).

The event source mapping must have `ReportBatchItemFailures` among its function response types.
"""

from typing import TYPE_CHECKING, Any

from serve import telemetry
from serve.adapters.messages import objects_in
from serve.adapters.s3 import is_records_of, member
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation

if TYPE_CHECKING:  # at run time it is loaded when an event needs it: others do not pay
    from serve.s3.results import S3Object

SOURCE = "sqs"


def infer(event: Any) -> bool:
    """Records of SQS."""
    return is_records_of(event, "eventSource", "aws:sqs")


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """The messages that the queue must keep: "Handling errors for an SQS event source" in the Lambda Developer Guide.

    A message is kept if any of its objects is still to do, or if it is not understood: after a few more attempts the
    queue moves it to its dead-letter queue, where a person can see it.

    Raises:
        DeliverAgainError: a message has no id, so that only the whole batch can be delivered again.
        SettingsError: there is no results bucket.
    """
    from serve.s3.results import classify_objects

    understood = [(message_id, _objects_in(body, invocation)) for message_id, body in _messages(event)]
    objects = [item for _, items in understood for item in items or ()]
    outcomes = iter(classify_objects(objects, invocation, app, source=SOURCE))
    kept = []
    for message_id, items in understood:
        retries = [next(outcomes).must_retry for _ in items or ()]
        if items is None or any(retries):
            kept.append(message_id)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in kept]}


def _messages(event: dict[str, Any]) -> list[tuple[str, Any]]:
    messages = [(member(record, "messageId"), member(record, "body")) for record in event["Records"]]
    if not all(isinstance(message_id, str) and message_id for message_id, _ in messages):
        from serve.s3.results import DeliverAgainError

        raise DeliverAgainError("A message of SQS has no messageId.")
    return messages


def _objects_in(body: Any, invocation: Invocation) -> "list[S3Object] | None":
    """The objects that a message tells of, or None if it is not understood, which is logged."""
    try:
        return objects_in(body)
    except MalformedRequestError as problem:
        record = telemetry.Record(invocation, source=SOURCE)
        record.add_problem(problem)
        record.emit()
        return None
