"""The same app over plain HTTP: `uvicorn local.server:app --port 8000`.

Each request becomes the event that an HTTP API of API Gateway sends (payload 2.0) and takes the same path as on
Lambda. What works here works there; a body that is too large there is too large here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from local import docs
from local.event import event_of, is_text
from serve import adapters, page
from serve.app import App
from serve.errors import ImageTooLargeError
from serve.invocation import from_context
from serve.settings import Settings

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Of a synchronous call's payload: AWS Lambda Developer Guide, "Lambda quotas"."""

_EVENT_WITHOUT_BODY_BYTES: Final = 64 * 1024  # headers and URL take 10,240 bytes at most, and all are there twice

THREADS: Final = 8
"""Photos that one worker decodes at once: eight of the largest need 1.65 GB (docs/deployment.md)."""


def service(app: App) -> Router:
    """The ASGI application around an app."""

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await Router()(scope, receive, send)  # refuses web sockets
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
        html = docs.html()
        return _response(request, 200, {"x-content-type-options": "nosniff", **page.headers(html)}, html)
    invocation = from_context(None)
    most = max_body_bytes(request.headers.get("content-type", ""))
    body = await _body(request, most)
    if body is None:
        refusal = app.refuse(ImageTooLargeError.over(most), invocation, source="http-api")
        return _response(request, refusal.status, refusal.headers, refusal.body)
    event = event_of(request, body, invocation)
    if request.method == "POST":
        answer = await run_in_threadpool(adapters.answer, event, invocation, app)
    else:  # in the event loop, so that /health answers while all threads are busy
        answer = adapters.answer(event, invocation, app)
    return _response(request, answer["statusCode"], answer["headers"], answer["body"])


def _response(request: Request, status: int, headers: dict[str, str], body: str) -> Response:
    response = Response(body, status, headers)
    if request.method == "HEAD":
        # Starlette gives the length of an empty body; a GET has another (RFC 9110, section 8.6).
        del response.headers["content-length"]
    return response


def max_body_bytes(content_type: str) -> int:
    """The longest body of this type that fits into Lambda's payload, in bytes."""
    most = MAX_EVENT_BYTES - _EVENT_WITHOUT_BODY_BYTES
    return most if is_text(content_type) else most * 3 // 4


async def _body(request: Request, most: int) -> bytes | None:
    """The body, or None once it exceeds `most` bytes.

    Raises:
        ClientDisconnect: the client has closed the connection.
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


app = service(App(Settings.from_env()))
