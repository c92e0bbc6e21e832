"""Amazon SNS: a topic to which S3 or EventBridge announces objects, and that invokes the function itself."""

from typing import Any

from serve.adapters._records import classify_all, is_records_of, member
from serve.adapters.messages import objects_in
from serve.app import App
from serve.invocation import Invocation

SOURCE = "sns"


def infer(event: Any) -> bool:
    """Records of SNS, which spells its members with a capital."""
    return is_records_of(event, "EventSource", "aws:sns")


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """What became of each object. SNS ignores it; a person who tries the function reads it.

    Raises:
        DeliverAgainError: at least one object is not done, or a message is not understood. All others are done.
    """
    items = [item for record in event["Records"] for item in objects_in(member(record, "Sns", "Message"))]
    return classify_all(items, invocation, app, source=SOURCE)
