"""The same app over plain HTTP: `uvicorn local.server:app --limit-concurrency 256`.

Each request becomes the event that an HTTP API of API Gateway sends (payload 2.0) and takes the same path as on
Lambda. What works here works there; a body that is too large there is too large here.
"""

import logging
import os
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as StarletteResponse
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from local.event import event_of, is_text
from local.metrics import CONTENT_TYPE, Metrics
from local.uploads import Uploads
from serve import adapters
from serve.app import App
from serve.errors import ProblemError
from serve.http import Response
from serve.invocation import Invocation, from_context
from serve.model import formats
from serve.model.classifier import Classifier, Prediction
from serve.settings import Settings

MAX_EVENT_BYTES: Final = 6 * 1024 * 1024
"""Of a synchronous call's payload: AWS Lambda Developer Guide, "Lambda quotas"."""

_EVENT_WITHOUT_BODY_BYTES: Final = 64 * 1024  # headers and URL take 10,240 bytes at most, and all are there twice

MAX_DECODERS: Final = 6
"""Six of the greediest photos fit into the 2 GiB of `k8s/deployment.yaml`: docs/robustness.md, "Several at once"."""

_LARGEST_WITH_URL: Final = 64 * 1024  # bytes of a body: a URL has 2,048 characters at most, each of 12 bytes at most

DECODERS: Final = min(MAX_DECODERS, os.cpu_count() or 1)
"""Photos that one worker classifies at once. More threads than processors would only wait for each other."""

FETCHERS: Final = 16
"""Requests with a URL that one worker answers at once: they wait for other servers, and must not block uploads."""

# However it is started: a log of requests would have the URLs of photos, signatures included.
logging.getLogger("uvicorn.access").addFilter(lambda _: False)


class SideBySide(Classifier):
    """A classifier of `DECODERS` photos at once, each in an interpreter of its own; other photos wait."""

    def __init__(self, settings: Settings) -> None:
        how = settings.model_path, settings.num_threads, settings.max_image_pixels
        super().__init__(*how)
        self._free: SimpleQueue[Callable[..., Prediction]] = SimpleQueue()
        for classify in (super().classify, *(Classifier(*how).classify for _ in range(DECODERS - 1))):
            self._free.put(classify)

    def classify(self, image: bytes, *, explain: bool = False) -> Prediction:
        """As `Classifier.classify`, after waiting for a turn."""
        classify = self._free.get()
        try:
            return classify(image, explain=explain)
        finally:
            self._free.put(classify)


def service(app: App, uploads: Uploads | None = None) -> Router:
    """The ASGI application around an app."""
    answers = _Answers(app, uploads or Uploads())

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await Router()(scope, receive, send)  # refuses web sockets
            return
        try:
            # The app reads a method in any case, and so does all that is around it.
            response = await answers.answer(Request({**scope, "method": scope["method"].upper()}, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    return Router(default=http)


class _Answers:
    def __init__(self, app: App, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads
        self._metrics = Metrics()
        self._decoders = anyio.CapacityLimiter(DECODERS)
        self._fetchers = anyio.CapacityLimiter(FETCHERS)

    async def answer(self, request: Request) -> StarletteResponse:
        started = time.perf_counter()
        with self._metrics.in_progress.track_inprogress():
            answer = await self._answer(request)
        seconds = time.perf_counter() - started
        path = self._app.own_path(request.scope["path"])
        self._metrics.count(request.method, path, answer.status, seconds, answer.body)
        response = StarletteResponse(answer.body, answer.status, answer.headers)
        if request.method == "HEAD":
            # Starlette gives the length of an empty body; a GET has another (RFC 9110, section 8.6).
            del response.headers["content-length"]
        return response

    async def _answer(self, request: Request) -> Response:
        if request.scope["path"] == "/metrics" and request.method in ("GET", "HEAD"):
            return Response(200, {"content-type": CONTENT_TYPE}, self._metrics.text())
        invocation = from_context(None)
        try:
            async with self._uploads.body(request, max_body_bytes(request.headers.get("content-type", ""))) as body:
                return await self._from_app(request, body, invocation)
        except ProblemError as problem:
            return self._app.refuse(problem, invocation, source="http-api")

    async def _from_app(self, request: Request, body: bytearray, invocation: Invocation) -> Response:
        event = event_of(request, body, invocation)
        if request.method == "POST":
            limiter = self._fetchers if _may_bring_url(request, body) else self._decoders
            answer = await anyio.to_thread.run_sync(adapters.answer, event, invocation, self._app, limiter=limiter)
        else:  # in the event loop, so that /health answers while all threads are busy
            answer = adapters.answer(event, invocation, self._app)
        return Response(answer["statusCode"], answer["headers"], answer["body"])


def _may_bring_url(request: Request, body: bytearray) -> bool:
    """Whether there may be a URL in a request. The app knows for sure, when it has read the body in a thread.

    What may bring megabytes waits for a decoder, whose memory is accounted for: compressed bodies, and `data:` URLs.
    """
    if "url" in request.query_params:
        return True
    if "content-encoding" in request.headers or len(body) > _LARGEST_WITH_URL:
        return False
    start = bytes(body[: formats.HEADER_BYTES])
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data" or formats.sniff(start):
        return False
    # JSON of a photo has none of these: not the name, nor an escape or another encoding that could write it.
    is_json = start.lstrip().startswith(b"{")
    return not is_json or any(sign in body for sign in (b'"url"', b"\\u", b"\0"))


def max_body_bytes(content_type: str) -> int:
    """The longest body of this type that fits into Lambda's payload, in bytes."""
    most = MAX_EVENT_BYTES - _EVENT_WITHOUT_BODY_BYTES
    return most if is_text(content_type) else most * 3 // 4


_settings = Settings.from_env()
app = service(App(_settings, classifier=SideBySide(_settings)))
