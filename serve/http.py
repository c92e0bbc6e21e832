"""An HTTP request and response without the event or server that carries them; JSON and problem bodies."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from serve.errors import INTERNAL_ERROR, MethodNotAllowedError, ProblemError

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
"""RFC 9457, section 6.1."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    """An HTTP request.

    Attributes:
        method: in capitals.
        path: decoded, without query and stage.
        query: decoded; of a repeated name, the last value.
        headers: names in lower case.
        body: the bytes that the client sent.
        source: the event source that delivered the request.
    """

    method: str
    path: str
    query: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    body: bytes = b""
    source: str = "http"


class Response(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str] = _NOTHING
    body: str = ""


def json_response(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A 200 with this value as JSON."""
    return Response(200, {"content-type": JSON, **(headers or {})}, json.dumps(value))


def problem_response(problem: ProblemError) -> Response:
    """The problem as RFC 9457 has it."""
    headers = {"content-type": PROBLEM}
    if isinstance(problem, MethodNotAllowedError):
        headers["allow"] = ", ".join(problem.allow)  # RFC 9110, section 15.5.6
    return Response(problem.status, headers, json.dumps(problem.problem()))


def internal_error_response() -> Response:
    """The answer to a request that met a bug."""
    return Response(500, {"content-type": PROBLEM}, json.dumps(INTERNAL_ERROR))
