"""Amazon API Gateway: REST API (payload 1.0), HTTP API (payload 2.0); and Lambda Function URLs, which use 2.0 too."""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, unquote

from serve.app import App, Response
from serve.errors import MalformedRequestError
from serve.invocation import Invocation
from serve.upload import Request


def infer(event: Any) -> bool:
    """An event with a request context that has a method, either way."""
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        return False
    return _is_v2(event) or isinstance(event.get("httpMethod"), str)


def _is_v2(event: dict[str, Any]) -> bool:
    return event.get("version") == "2.0" and isinstance(event["requestContext"].get("http"), dict)


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """A response in the form that both payload versions take."""
    try:
        request = _from_v2(event) if _is_v2(event) else _from_v1(event)
    except MalformedRequestError as problem:
        return envelope(app.refuse(problem, invocation, source="http"))
    return envelope(app.respond(request, invocation))


def _from_v2(event: dict[str, Any]) -> Request:
    context = event["requestContext"]
    path = text(event.get("rawPath"))
    stage = text(context.get("stage"))
    # With a stage of its own name, the path begins with it; the stage "$default" leaves no trace.
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


def text(value: Any) -> str:
    """The value if it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def last_values(multiple: Any, single: Any) -> dict[str, str]:
    """The last value of each name, from lists of values where there are some."""
    if isinstance(multiple, dict) and multiple:
        return {name: text(values[-1]) for name, values in multiple.items() if isinstance(values, list) and values}
    return {name: text(value) for name, value in single.items()} if isinstance(single, dict) else {}


def lower_names(headers: Any) -> dict[str, str]:
    """Headers by their names in lower case: names have no case (RFC 9110, section 5.1)."""
    return {name.lower(): text(value) for name, value in headers.items()} if isinstance(headers, dict) else {}


def body(event: dict[str, Any]) -> bytes:
    """The body as the client sent it.

    Raises:
        MalformedRequestError: it is said to be base64, and is not.
    """
    content = text(event.get("body"))
    try:
        return base64.b64decode(content, validate=True) if event.get("isBase64Encoded") is True else content.encode()
    except (binascii.Error, ValueError) as error:  # lone surrogates are a ValueError too
        raise MalformedRequestError("The body cannot be read: it is not what its event says it is.") from error


def envelope(response: Response) -> dict[str, Any]:
    """The response as API Gateway takes it."""
    return {
        "statusCode": response.status,
        "headers": response.headers,
        "body": response.body,
        "isBase64Encoded": False,
    }
