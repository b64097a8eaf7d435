"""Counts and times for Prometheus, under the names that TensorFlow Serving gives them.

Two labels are ours: the version that answered, and what the list of models calls it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# In microseconds. A photograph takes 10 ms to some seconds on a CPU: there each bucket ends about
# 1.5 times as high as the one before.
BUCKETS = [
    *(1e3, 2e3, 5e3),
    *(10e3, 15e3, 20e3, 30e3, 45e3, 65e3),
    *(100e3, 150e3, 200e3, 300e3, 450e3, 650e3),
    *(1e6, 1.5e6, 2e6, 3e6, 4.5e6, 6.5e6),
    *(10e6, 30e6),
]
VERSION = ("model_name", "version", "label")


class Metrics:
    """What the server has done since it started."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            ":tensorflow:serving:request_count",
            "Requests by their status.",
            [*VERSION, "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds from a request's arrival to its answer.",
            [*VERSION, "API", "entrypoint"],
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._queued = Gauge(
            "kerasnets:serving:queued_images",
            "Images that wait.",
            ["model_name"],
            registry=self._registry,
        )
        # The values of all labels that a metric was given.
        self._series: set[tuple[Counter | Histogram, tuple[str, ...]]] = set()

    def record(
        self, served: tuple[str, str, str], method: str, status: str, microseconds: float
    ) -> None:
        """Counts a request, and the time of one that was answered.

        Args:
            served: The model, its version and that version's label. They and the method are empty
                where a path names none that is served: the page must not grow with what is asked
                for.
            method: What the model was asked to do.
            status: TensorFlow's name of the status.
            microseconds: From the request's arrival to its answer.
        """
        labels = (*served, status)
        self._requests.labels(*labels).inc()
        self._series.add((self._requests, labels))
        if status == "OK":
            labels = (*served, method, "REST")
            self._latency.labels(*labels).observe(microseconds)
            self._series.add((self._latency, labels))

    def page(self, queued: Mapping[str, int], served: Collection[tuple[str, str, str]]) -> bytes:
        """The metrics in Prometheus' text format.

        Args:
            queued: The images that wait, by model.
            served: Models, versions and labels that are served now. Others are on the page for the
                last time: it must not grow with every version that ever was.
        """
        self._queued.clear()
        for model, images in queued.items():
            self._queued.labels(model).set(images)
        page = generate_latest(self._registry)
        for metric, labels in list(self._series):
            if labels[1] and labels[: len(VERSION)] not in served:
                metric.remove(*labels)
                self._series.remove((metric, labels))
        # TensorFlow Serving's name of a counter lacks the end that prometheus_client gives it.
        return page.replace(b":request_count_total", b":request_count")
