"""One adapter for each event source, a file each.

An adapter is a module with two functions: `infer(event) -> bool` detects its source's events, and
`answer(event, invocation, app)` replies in that source's format. Both accept any JSON value.
"""

from typing import Any, Protocol

from serve import telemetry
from serve.adapters import alb, api_gateway, direct, eventbridge, s3, s3_batch, sns, sqs
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation


class Adapter(Protocol):
    """The two functions of a module here."""

    def infer(self, event: Any) -> bool:
        """Whether the event comes from this adapter's source."""

    def answer(self, event: Any, invocation: Invocation, app: App) -> Any:
        """The reply in the source's format."""


# The order matters: a load balancer's events look like API Gateway's with one more member, and direct accepts any
# object with one of its own members.
ADAPTERS: tuple[Adapter, ...] = (alb, api_gateway, sqs, s3, eventbridge, sns, s3_batch, direct)

UNDERSTOOD = (
    f"{direct.UNDERSTOOD}; and the events of API Gateway, Lambda Function URLs, Application Load Balancers, S3, "
    "S3 Batch Operations, and of EventBridge, SNS and SQS when they announce objects in S3."
)


def answer(event: Any, invocation: Invocation, app: App) -> Any:
    """Reply through the adapter of the event's source.

    Raises:
        MalformedRequestError: no adapter knows the event. It is raised and not returned, because most services that
            invoke a function take whatever it returns for "done", and the event is gone.
        DeliverAgainError: the source must deliver the event again.
    """
    for adapter in ADAPTERS:
        if adapter.infer(event):
            return adapter.answer(event, invocation, app)
    if isinstance(event, dict):
        seen = f"an object with {[name[:100] for name in sorted(event)[:10]]}"
    else:
        seen = f"{type(event).__name__} of {len(event)}" if isinstance(event, list) else type(event).__name__
    problem = MalformedRequestError(
        f"The service does not know this kind of event. Seen: {seen}. Understood: {UNDERSTOOD}"
    )
    record = telemetry.Record(invocation, source="unknown")
    record.add_problem(problem)
    record.emit()
    raise problem
