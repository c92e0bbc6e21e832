"""Amazon API Gateway: REST APIs (payload 1.0) and HTTP APIs (payload 2.0); Lambda Function URLs, which use 2.0 too."""

from typing import Any
from urllib.parse import parse_qsl, unquote

from serve.adapters._http import body, envelope, last_values, lower_names, text
from serve.app import App
from serve.errors import MalformedRequestError
from serve.http import Request
from serve.invocation import Invocation


def infer(event: Any) -> bool:
    """A request context, and a method in one of the two payloads' places."""
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        return False
    return _is_v2(event) or isinstance(event.get("httpMethod"), str)


def _is_v2(event: dict[str, Any]) -> bool:
    return event.get("version") == "2.0" and isinstance(event["requestContext"].get("http"), dict)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """A response in the form of both payload versions."""
    try:
        request = _from_v2(event) if _is_v2(event) else _from_v1(event)
    except MalformedRequestError as problem:
        return envelope(app.refuse(problem, invocation, source="http"))
    return envelope(app.respond(request, invocation))


def _from_v2(event: dict[str, Any]) -> Request:
    context = event["requestContext"]
    path = text(event.get("rawPath"))
    stage = text(context.get("stage"))
    # The path begins with a named stage; "$default" is not in it.
    if stage and (path == f"/{stage}" or path.startswith(f"/{stage}/")):
        path = path[len(stage) + 1 :]
    return Request(
        method=text(context["http"].get("method")).upper(),
        path=unquote(path),
        query=dict(parse_qsl(text(event.get("rawQueryString")), keep_blank_values=True)),
        headers=lower_names(event.get("headers")),
        body=body(event),
        source="http-api",
    )


def _from_v1(event: dict[str, Any]) -> Request:
    return Request(
        method=text(event.get("httpMethod")).upper(),
        path=unquote(text(event.get("path"))),
        query=last_values(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")),
        headers=lower_names(last_values(event.get("multiValueHeaders"), event.get("headers"))),
        body=body(event),
        source="rest-api",
    )
