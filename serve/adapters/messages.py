"""What queues and topics carry: a notification of S3, an EventBridge event, or either in an envelope of SNS."""

import json
from typing import TYPE_CHECKING, Any

from serve.adapters import eventbridge, s3
from serve.errors import MalformedRequestError

if TYPE_CHECKING:  # at run time it is loaded when there is an object to speak of
    from serve.s3.results import S3Object


def objects_in(text: Any) -> "list[S3Object]":
    """The objects that a message tells of; none if it is a test.

    Raises:
        MalformedRequestError: the message is not understood.
    """
    message = _json(text)
    if isinstance(message, dict) and message.get("Type") == "Notification" and "Message" in message:
        # "Amazon SNS message format" in the Developer Guide: as it comes without raw message delivery.
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
