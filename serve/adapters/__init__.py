"""One adapter for every event source, a file each.

An adapter is a module with two functions: `infer(event) -> bool` says whether an event is of its source, and
`answer(event, invocation, app)` returns what that source wants to hear. Both take whatever JSON holds.
"""

from typing import Any, Protocol

from serve.adapters import api_gateway, direct
from serve.app import App
from serve.errors import MalformedRequestError
from serve.invocation import Invocation


class Adapter(Protocol):
    """What a module here offers."""

    @staticmethod
    def infer(event: Any) -> bool:
        """Whether the event comes from this adapter's source."""

    @staticmethod
    def answer(event: Any, invocation: Invocation, app: App) -> Any:
        """What the source wants to hear."""


# In this order: direct comes last, as it takes any object with one of its own members.
ADAPTERS: tuple[Adapter, ...] = (api_gateway, direct)


def answer(event: Any, invocation: Invocation, app: App) -> Any:
    """Let the adapter of the event's source answer it."""
    for adapter in ADAPTERS:
        if adapter.infer(event):
            return adapter.answer(event, invocation, app)
    seen = f"an object with {sorted(event)[:10]}" if isinstance(event, dict) else type(event).__name__
    problem = MalformedRequestError(f"The event is not one that is understood here. Seen: {seen}. Understood: {direct.UNDERSTOOD}")
    return direct.problem_answer(problem, invocation)
