"""Amazon SNS: a topic that S3 or EventBridge tells of objects, and that invokes the function itself."""

from typing import Any

from serve.adapters.messages import objects_in
from serve.adapters.s3 import classify_all, is_records_of, member
from serve.app import App
from serve.invocation import Invocation

SOURCE = "sns"


def infer(event: Any) -> bool:
    """Records of SNS, which spells its members with a capital."""
    return is_records_of(event, "EventSource", "aws:sns")


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of each object; nobody but a person who tries it out reads that.

    Raises:
        DeliverAgainError: something is still to do. The rest has been done.
        MalformedRequestError: a message is not understood.
    """
    objects = [item for record in event["Records"] for item in objects_in(member(record, "Sns", "Message"))]
    return classify_all(objects, invocation, app, source=SOURCE)
