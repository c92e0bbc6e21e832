"""Amazon API Gateway: REST APIs (payload 1.0) and HTTP APIs (2.0 or 1.0); Lambda Function URLs (2.0)."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from serve.adapters._http import body, envelope, last_values, lower_names, text
from serve.app import App
from serve.errors import MalformedRequestError
from serve.http import Request
from serve.invocation import Invocation

_GREEDY: Final = re.compile(r".*/\{(\w+)\+\}")


def infer(event: Any) -> bool:
    """A request context, and a method in one of the two payloads' places.

    An authorizer's event has both too, and the ARN of what it decides on: an answer to it would be a decision.
    """
    if not isinstance(event, dict) or not isinstance(event.get("requestContext"), dict):
        return False
    if "methodArn" in event or "routeArn" in event:
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
    is_function_url = ".lambda-url." in text(context.get("domainName"))
    return Request(
        method=text(context["http"].get("method")).upper(),
        path=_path(event, text(event.get("rawPath")), text(event.get("routeKey")).partition(" ")[2]),
        query=dict(parse_qsl(text(event.get("rawQueryString")), keep_blank_values=True)),
        headers=lower_names(event.get("headers")),
        body=body(event),
        source="function-url" if is_function_url else "http-api",
    )


def _from_v1(event: dict[str, Any]) -> Request:
    return Request(
        method=text(event.get("httpMethod")).upper(),
        path=_path(event, text(event.get("path")), text(event.get("resource"))),
        query=last_values(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")),
        headers=lower_names(last_values(event.get("multiValueHeaders"), event.get("headers"))),
        body=body(event),
        source="http-api" if event.get("version") == "1.0" else "rest-api",
    )


def _path(event: dict[str, Any], path: str, matched: str) -> str:
    """The decoded path, without a custom domain's base path and without the stage.

    Args:
        event: has the path parameters and the stage.
        path: what the event calls the path; it begins with the base path, and in an HTTP API with a named stage.
        matched: the resource or route that the API matched, such as "/predict" or "/{proxy+}"; a catch-all has none.
    """
    path = unquote(path)
    greedy, parameters = _GREEDY.fullmatch(matched), event.get("pathParameters")
    if greedy and isinstance(parameters, dict):
        matched = "/" + unquote(text(parameters.get(greedy[1])))
    if matched == "/" or (matched.startswith("/") and path.rstrip("/").endswith(matched.rstrip("/"))):
        return matched
    stage = text(event["requestContext"].get("stage"))
    if stage and (path == f"/{stage}" or path.startswith(f"/{stage}/")):
        return path[len(stage) + 1 :]
    return path
