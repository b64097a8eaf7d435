"""Counts and times for Prometheus, under the names that TensorFlow Serving gives them."""

from __future__ import annotations

import bisect
import itertools
import threading
from collections import defaultdict

# TensorFlow Serving's buckets, in microseconds: from 10, each 1.8 times the one before.
BUCKETS = tuple(10 * 1.8**power for power in range(33))


class Metrics:
    """What the server has done since it started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = defaultdict(int)
        self._latencies: dict[tuple[str, str], list[float]] = {}

    def record(self, model: str, method: str, status: str, microseconds: float) -> None:
        """Counts a request, and the time of one that was answered.

        Args:
            model: One that is served; empty for others, so that the page cannot grow.
            method: ``predict``, ``classify``, ``regress``; empty for what asks about a model.
            status: TensorFlow's code.
            microseconds: From the request's arrival to its answer.
        """
        with self._lock:
            self._requests[model, status] += 1
            if status == "OK":
                cells = self._latencies.setdefault((model, method), [0.0] * (len(BUCKETS) + 2))
                cells[bisect.bisect_right(BUCKETS, microseconds)] += 1
                cells[-1] += microseconds

    def page(self, queued: dict[str, int]) -> str:
        """The metrics in Prometheus' text format.

        Args:
            queued: Images that wait, by model.
        """
        with self._lock:
            requests = dict(self._requests)
            latencies = {key: list(cells) for key, cells in self._latencies.items()}
        lines = ["# TYPE :tensorflow:serving:request_count counter"]
        for (model, status), count in sorted(requests.items()):
            lines.append(
                f":tensorflow:serving:request_count"
                f"{{model_name={_quoted(model)},status={_quoted(status)}}} {count}"
            )
        lines.append("# TYPE :tensorflow:serving:request_latency histogram")
        for (model, method), cells in sorted(latencies.items()):
            labels = f'model_name={_quoted(model)},API={_quoted(method)},entrypoint="REST"'
            lines += _histogram(":tensorflow:serving:request_latency", labels, cells)
        lines.append("# TYPE kerasnets:serving:queued_images gauge")
        for model, count in sorted(queued.items()):
            lines.append(f"kerasnets:serving:queued_images{{model_name={_quoted(model)}}} {count}")
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: str, cells: list[float]) -> list[str]:
    *counts, total = cells
    reached = [int(count) for count in itertools.accumulate(counts)]
    bounds = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
    return [
        *(
            f'{name}_bucket{{{labels},le="{bound}"}} {count}'
            for bound, count in zip(bounds, reached, strict=True)
        ),
        f"{name}_sum{{{labels}}} {total:g}",
        f"{name}_count{{{labels}}} {reached[-1]}",
    ]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'
