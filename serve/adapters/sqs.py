"""Amazon SQS: messages that announce objects in S3, each done or not done by itself (partial batch responses).

They come from an event source mapping, whose function response types must have `ReportBatchItemFailures`, or from an
EventBridge pipe, which sends the bare list of records and understands the same answer: "Partial batch failure" in
"Amazon EventBridge Pipes batching and concurrency" of the EventBridge User Guide.
"""

from collections.abc import Container, Iterator
from typing import Any

from serve.adapters._records import DeliverAgainError, is_records_of, member
from serve.adapters.messages import objects_in
from serve.app import App
from serve.invocation import Invocation

SOURCE = "sqs"


def infer(event: Any) -> bool:
    """Records of SQS."""
    return is_records_of({"Records": event} if isinstance(event, list) else event, "eventSource", "aws:sqs")


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """The messages that the queue must keep: "Handling errors for an SQS event source" in the Lambda Developer Guide.

    The queue keeps a message of which an object is not done, or a part is not understood: after a few more attempts it
    moves to the dead-letter queue, where a person can see it.

    Raises:
        DeliverAgainError: a message has no id, so that only the whole batch can be delivered again.
        SettingsError: there is no results bucket.
    """
    from serve.s3.objects import classify_objects

    records = event if isinstance(event, list) else event["Records"]
    ids = [_id(record) for record in records]
    items = [(place, item) for place, record in enumerate(records) for item in objects_in(member(record, "body"))]
    attempts = classify_objects([item for _, item in items], invocation, app, source=SOURCE)
    failed = {place for (place, _), attempt in zip(items, attempts, strict=True) if attempt.retry}
    return {"batchItemFailures": [{"itemIdentifier": ids[place]} for place in _kept(records, failed)]}


def _id(record: Any) -> str:
    message_id = member(record, "messageId")
    if not isinstance(message_id, str) or not message_id:
        raise DeliverAgainError("A message of SQS has no messageId.")
    return message_id


def _kept(records: list[Any], failed: Container[int]) -> Iterator[int]:
    """The places of the failed messages, and of those behind them in their FIFO groups.

    A FIFO queue delivers a group in order, and only what is reported as failed comes again: the rest of the group must
    not be deleted before it.
    """
    blocked = set()
    for place, record in enumerate(records):
        group = _fifo_group(record)
        if place in failed or group in blocked:
            yield place
            if group:
                blocked.add(group)


def _fifo_group(record: Any) -> str:
    """The message group; empty in a standard queue, where a group (of a fair queue) has no order.

    The name of a FIFO queue ends in ".fifo": "Amazon SQS FIFO queue and message identifiers" in the SQS Developer
    Guide.
    """
    is_fifo = str(member(record, "eventSourceARN")).endswith(".fifo")
    return f"group {member(record, 'attributes', 'MessageGroupId')}" if is_fifo else ""
