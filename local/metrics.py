"""What the service has done, in Prometheus' text format.

Each worker process counts for itself: run one worker where something scrapes it.
"""

import json
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_ROUTES: Final = frozenset({"/", "/health", "/openapi.json", "/predict", "/docs", "/metrics"})
_SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The counters of one service. Names follow Prometheus' "Metric and label naming"."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "http_requests", "Answered requests.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "From the end of the headers to the answer.",
            ["route"],
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._predictions = Counter(
            "predictions", "Classified photos.", ["label", "uncertain"], registry=self._registry
        )
        self.in_progress = Gauge(
            "http_requests_in_progress", "Requests without an answer yet.", registry=self._registry
        )

    def count(self, method: str, path: str, status: int, seconds: float, body: str) -> None:
        """Count an answered request, and the prediction in its body."""
        route = path if path in _ROUTES else "other"  # strangers may ask for any number of paths
        self._requests.labels(method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other", route, status).inc()
        self._seconds.labels(route).observe(seconds)
        if route == "/predict" and method == "POST" and status == 200:
            answer = json.loads(body)
            self._predictions.labels(answer["label"], str(answer.get("uncertain", False)).lower()).inc()

    def text(self) -> str:
        """All of them, as Prometheus scrapes them."""
        return generate_latest(self._registry).decode()
