"""The same app over plain HTTP: `uvicorn local.server:app --port 8000`.

Each request becomes the event that an HTTP API of API Gateway would send (payload 2.0), and goes the way that it goes
on Lambda; so what works here works there, and what is too large there is too large here.
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from local import contract
from serve import adapters
from serve.app import App
from serve.errors import ImageTooLargeError
from serve.invocation import Invocation, from_context
from serve.settings import Settings

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Of a synchronous call's payload: AWS Lambda Developer Guide, "Lambda quotas"."""

_EVENT_WITHOUT_BODY_BYTES: Final = 64 * 1024  # headers and URL take 10,240 bytes at most, and all are there twice

THREADS: Final = 8
"""Photos decoded at once by a worker: the greediest that are taken need 1.65 GB in all eight (docs/deployment.md)."""

# What API Gateway hands on as text; all else comes as base64.
_TEXT_TYPES: Final = frozenset({"application/json", "application/javascript", "application/xml"})


def service(app: App) -> Router:
    """The ASGI application around an app."""

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await Router()(scope, receive, send)  # turns web sockets away
            return
        request = Request(scope, receive)
        try:
            response = await _answer(app, request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    return Router(default=http, lifespan=_lifespan)


@asynccontextmanager
async def _lifespan(_router: Any) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


async def _answer(app: App, request: Request) -> Response:
    if request.scope["path"] == "/docs" and request.method in ("GET", "HEAD"):
        html = contract.html()
        return _response(request, 200, contract.headers(html), html)
    invocation = from_context(None)
    most = max_body_bytes(request.headers.get("content-type", ""))
    body = await _body(request, most)
    if body is None:
        refusal = app.refuse(ImageTooLargeError.over(most), invocation, source="http-api")
        return _response(request, refusal.status, refusal.headers, refusal.body)
    event = event_of(request, body, invocation)
    if request.method == "POST":
        answer = await run_in_threadpool(adapters.answer, event, invocation, app)
    else:  # at once, so that /health answers while all threads are at work
        answer = adapters.answer(event, invocation, app)
    return _response(request, answer["statusCode"], answer["headers"], answer["body"])


def _response(request: Request, status: int, headers: dict[str, str], body: str) -> Response:
    response = Response(body, status, headers)
    if request.method == "HEAD":
        # It would be the length of what is not sent (RFC 9110, section 8.6).
        del response.headers["content-length"]
    return response


def max_body_bytes(content_type: str) -> int:
    """The longest body of a type that fits into Lambda's payload, in bytes."""
    most = MAX_EVENT_BYTES - _EVENT_WITHOUT_BODY_BYTES
    return most if _is_text(content_type) else most * 3 // 4


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.startswith("text/") or media_type in _TEXT_TYPES


async def _body(request: Request, most: int) -> bytes | None:
    """The body, or None as soon as it is known to have more than `most` bytes.

    Raises:
        ClientDisconnect: the client has gone.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def event_of(request: Request, body: bytes, invocation: Invocation) -> dict[str, Any]:
    """The event of payload format 2.0.

    Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs": names of headers in lower
    case, several values of one joined with commas, cookies apart.
    """
    scope = request.scope
    headers: dict[str, str] = {}
    for name in dict.fromkeys(request.headers.keys()):
        headers[name] = ",".join(request.headers.getlist(name))
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    # Without the percent-encoding taken off: the app takes it off.
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    now = datetime.now(UTC)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": scope["query_string"].decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": headers.get("host", ""),
            "http": {
                "method": request.method,
                "path": path,
                "protocol": f"HTTP/{scope['http_version']}",
                "sourceIp": request.client.host if request.client else "",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": invocation.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    return event | _body_members(headers.get("content-type", ""), body)


def _body_members(content_type: str, body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    if _is_text(content_type):
        try:
            return {"body": body.decode()}
        except UnicodeDecodeError:
            pass  # no text after all: base64 loses nothing
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


app = service(App(Settings.from_env()))
