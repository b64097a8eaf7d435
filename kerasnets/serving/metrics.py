"""Counts and times for Prometheus, under the names that TensorFlow Serving gives them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# TensorFlow Serving's buckets, in microseconds: from 10, each 1.8 times the one before.
BUCKETS = [10 * 1.8**power for power in range(33)]


class Metrics:
    """What the server has done since it started."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            ":tensorflow:serving:request_count",
            "Requests by their status.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds from a request's arrival to its answer.",
            ["model_name", "API", "entrypoint"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._queued = Gauge(
            "kerasnets:serving:queued_images",
            "Images that wait.",
            ["model_name"],
            registry=self._registry,
        )

    def record(self, model: str, method: str, status: str, microseconds: float) -> None:
        """Counts a request, and the time of one that was answered.

        The model and the method are empty where a path names none that is served: the page must
        not grow with what is asked for.
        """
        self._requests.labels(model, status).inc()
        if status == "OK":
            self._latency.labels(model, method, "REST").observe(microseconds)

    def page(self, queued: Mapping[str, int]) -> bytes:
        """The metrics in Prometheus' text format, with the images that wait by model."""
        self._queued.clear()
        for model, images in queued.items():
            self._queued.labels(model).set(images)
        page = generate_latest(self._registry)
        # TensorFlow Serving's name of a counter lacks the end that prometheus_client gives it.
        return page.replace(b":request_count_total", b":request_count")
