"""Application Load Balancer: "Use Lambda functions as targets" in the User Guide for Application Load Balancers."""

from typing import Any
from urllib.parse import unquote, unquote_plus

from serve.adapters._http import body, envelope, last_values, lower_names, text
from serve.app import App
from serve.errors import MalformedRequestError
from serve.http import Request
from serve.invocation import Invocation

SOURCE = "alb"


def infer(event: Any) -> bool:
    """A request context that names a load balancer."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and "elb" in context


def answer(event: Any, invocation: Invocation, app: App) -> dict[str, Any]:
    """A response with its status in words, and multi-value headers if the target group has them turned on."""
    try:
        response = app.respond(_request(event), invocation)
    except MalformedRequestError as problem:
        response = app.refuse(problem, invocation, source=SOURCE)
    from http import HTTPStatus

    answered = envelope(response)
    answered["statusDescription"] = f"{response.status} {HTTPStatus(response.status).phrase}"
    if "multiValueHeaders" in event:
        answered["multiValueHeaders"] = {name: [value] for name, value in answered.pop("headers").items()}
    return answered


def _request(event: dict[str, Any]) -> Request:
    query = last_values(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters"))
    return Request(
        method=text(event.get("httpMethod")).upper(),
        path=unquote(text(event.get("path"))),
        # Unlike API Gateway, a load balancer leaves the query percent-encoded.
        query={unquote_plus(name): unquote_plus(value) for name, value in query.items()},
        headers=lower_names(last_values(event.get("multiValueHeaders"), event.get("headers"))),
        body=body(event),
        source=SOURCE,
    )
