"""A photo's URL or bytes -> the prediction; an HTTP request -> the HTTP response. Knows no event."""

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from serve import VERSION, telemetry
from serve.errors import ImageTooLargeError, MethodNotAllowedError, NotFoundError, ProblemError
from serve.http import JSON, Request, Response, internal_error_response, json_response, problem_response
from serve.invocation import Invocation
from serve.model.classifier import Classifier, Prediction
from serve.settings import Settings
from serve.upload import Photo, photo_in

if TYPE_CHECKING:  # at run time the first request that needs them loads them
    from serve.fetch.fetcher import Fetcher, FetchPolicy
    from serve.model.explanation import Grid

# The headers that a page may send: of a photo, and of a signature (Signature Version 4 in the IAM User Guide).
_CORS: Final = {
    "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-encoding, content-type, x-amz-content-sha256, x-amz-date, "
    "x-amz-security-token",
    "access-control-expose-headers": "server-timing",
    "access-control-max-age": "86400",
    "vary": "origin",
}

Route = Callable[[Request, Invocation, telemetry.Record], Response]

OPENAPI_FILE: Final = Path(__file__).with_name("openapi.json")


class App:
    """The service. A process builds it once.

    Raises:
        FileNotFoundError, ValueError: the settings name a model file that cannot be used.
    """

    def __init__(
        self, settings: Settings, fetcher: "Fetcher | None" = None, classifier: Classifier | None = None
    ) -> None:
        telemetry.set_level(settings.log_level)
        self.settings = settings
        self.classifier = classifier or Classifier(settings.model_path, settings.num_threads, settings.max_image_pixels)
        if fetcher:
            self._fetcher = fetcher
        self._routes: dict[str, dict[str, Route]] = {
            "/": {"GET": self._page},
            "/docs": {"GET": self._docs},
            "/health": {"GET": self._health},
            "/openapi.json": {"GET": self._openapi},
            "/predict": {"POST": self._predict},
        }

    @cached_property
    def _fetcher(self) -> "Fetcher":
        """Made for the first URL: other events do not load its code."""
        from serve.fetch.fetcher import Fetcher

        return Fetcher(fetch_policy(self.settings))

    def classify(self, photo: Photo, invocation: Invocation, record: telemetry.Record) -> Prediction:
        """Fetch the photo if it is behind a URL, and classify it.

        Raises:
            ProblemError: the client can mend it.
        """
        image = photo.image
        if image is None:
            started = time.perf_counter()
            image = self._fetcher.fetch(photo.url or "", invocation.remaining_s())
            record["fetch_ms"] = round((time.perf_counter() - started) * 1e3, 2)
        if len(image) > self.settings.max_image_bytes:
            raise ImageTooLargeError.over(self.settings.max_image_bytes)
        prediction = self.classifier.classify(image, explain=photo.explain)
        record.add_prediction(prediction)
        return prediction

    def respond(self, request: Request, invocation: Invocation) -> Response:
        """Answer an HTTP request. Never raises: the log gets the traceback of a bug, the client a plain 500."""
        request = request._replace(path=self.own_path(request.path))
        record = telemetry.Record(invocation, source=request.source, route=f"{request.method} {request.path}")
        try:
            response = self._route(request, invocation, record)
        except ProblemError as problem:
            record.add_problem(problem)
            response = problem_response(problem)
        except Exception as error:  # noqa: BLE001  (the last resort: every request gets an answer)
            record.add_bug(error)
            response = internal_error_response()
        record["status"] = response.status
        record.emit()
        return self._with_common_headers(response)

    def refuse(self, problem: ProblemError, invocation: Invocation, *, source: str) -> Response:
        """Answer a request that cannot be read."""
        record = telemetry.Record(invocation, source=source, route="none", status=problem.status)
        record.add_problem(problem)
        record.emit()
        return self._with_common_headers(problem_response(problem))

    def own_path(self, path: str) -> str:
        """The path without BASE_PATH, and without slashes at its end."""
        base = self.settings.base_path
        own = path[len(base) :] if path == base or path.startswith(f"{base}/") else path
        return own.rstrip("/") or "/"

    def _route(self, request: Request, invocation: Invocation, record: telemetry.Record) -> Response:
        methods = self._routes.get(request.path)
        if methods is None:
            record["route"] = "none"  # a scanner's paths are no dimension to count by
            raise NotFoundError(f"The path is unknown. Use one of {', '.join(sorted(self._routes))}.")
        allow = (*methods, *(("HEAD",) if "GET" in methods else ()), "OPTIONS")
        if request.method == "OPTIONS":
            return Response(204, {"allow": ", ".join(allow)})
        if request.method == "HEAD" and "GET" in methods:
            whole = methods["GET"](request, invocation, record)
            return Response(whole.status, whole.headers)
        if request.method not in methods:
            record["route"] = "none"
            raise MethodNotAllowedError(f"Use one of {', '.join(allow)} on this path.", allow)
        return methods[request.method](request, invocation, record)

    def _health(self, request: Request, invocation: Invocation, record: telemetry.Record) -> Response:
        description = self.classifier.description
        return json_response(
            {
                "status": "ok",
                "model_version": description.version,
                "labels": description.labels,
                **({} if description.positive_class is None else {"positive_class": description.positive_class}),
                "confidence_threshold": description.confidence_threshold,
                "explains": self.classifier.explains,
            }
        )

    def _page(self, request: Request, invocation: Invocation, record: telemetry.Record) -> Response:
        return self._page_response

    @cached_property
    def _page_response(self) -> Response:
        """Made when the first browser asks: a cold start does not pay for it."""
        from serve import page

        html = page.html()
        return Response(200, page.headers(html), html)

    def _docs(self, request: Request, invocation: Invocation, record: telemetry.Record) -> Response:
        from serve import docs, page

        html = docs.html(_contract())
        return Response(200, page.headers(html), html)

    def _openapi(self, request: Request, invocation: Invocation, record: telemetry.Record) -> Response:
        return Response(200, {"content-type": JSON}, _contract())

    def _predict(self, request: Request, invocation: Invocation, record: telemetry.Record) -> Response:
        photo = photo_in(request, self.settings.max_image_bytes)
        prediction = self.classify(photo, invocation, record)
        timings = (
            ("fetch", record.get("fetch_ms", 0.0)),
            ("decode", prediction.decode_ms),
            ("inference", prediction.inference_ms),
        )
        server_timing = ", ".join(f"{name};dur={milliseconds:.2f}" for name, milliseconds in timings)
        return json_response(result(prediction), {"server-timing": server_timing, "cache-control": "no-store"})

    def _with_common_headers(self, response: Response) -> Response:
        headers = {"x-content-type-options": "nosniff", **response.headers}
        if self.settings.cors_allow_origin:
            headers |= {"access-control-allow-origin": self.settings.cors_allow_origin, **_CORS}
        return Response(response.status, headers, response.body)


def _contract() -> str:
    """openapi.json, of this version."""
    return OPENAPI_FILE.read_text(encoding="utf-8").replace("{version}", VERSION)


def fetch_policy(settings: Settings) -> "FetchPolicy":
    """The settings' limits on what may be fetched."""
    from serve.fetch.fetcher import FetchPolicy

    return FetchPolicy(
        enabled=settings.fetch_enabled,
        allowed_hosts=settings.url_allowed_hosts,
        allowed_ports=settings.url_allowed_ports,
        allowed_networks=settings.url_allowed_networks,
        max_bytes=settings.max_image_bytes,
        timeout_s=settings.fetch_timeout_s,
        contact=settings.fetch_contact,
    )


def result(prediction: Prediction) -> dict[str, Any]:
    """The prediction as every client gets it."""
    return {**summary(prediction), **_all_labels(prediction.probabilities), **_explained(prediction.explanation)}


def summary(prediction: Prediction) -> dict[str, Any]:
    """The prediction in a few members, however many labels the model has."""
    return {
        "label": prediction.label,
        "probability": round(prediction.probability, 6),
        **({} if prediction.uncertain is None else {"uncertain": prediction.uncertain}),
        "model_version": prediction.model_version,
    }


def _all_labels(probabilities: Mapping[str, float] | None) -> dict[str, dict[str, float]]:
    if probabilities is None:
        return {}
    return {"probabilities": {label: round(probability, 6) for label, probability in probabilities.items()}}


def _explained(explanation: "Grid | None") -> dict[str, list[list[float]]]:
    if explanation is None:
        return {}
    return {"explanation": [[round(evidence, 3) for evidence in row] for row in explanation]}
