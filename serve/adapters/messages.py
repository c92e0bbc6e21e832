"""What queues and topics carry: an S3 notification, an EventBridge event of S3, or either in an SNS envelope."""

import json
from typing import Any

from serve.adapters import eventbridge, s3
from serve.adapters._records import Announced
from serve.errors import MalformedRequestError


def objects_in(text: Any) -> list[Announced]:
    """The objects that a message announces; none if it is S3's test message."""
    try:
        return _objects_in(text)
    except MalformedRequestError as problem:
        return [problem]


def _objects_in(text: Any) -> list[Announced]:
    message = _json(text)
    if isinstance(message, dict) and message.get("Type") == "Notification" and "Message" in message:
        # Without raw message delivery: "Amazon SNS message format" in the Amazon SNS Developer Guide.
        message = _json(message["Message"])
    if s3.infer(message):
        return s3.objects_in(message)
    if eventbridge.infer(message):
        return [eventbridge.object_in(message)]
    raise MalformedRequestError("The message is not an S3 notification or an EventBridge event of S3.")


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedRequestError("The message is not JSON.") from error
