"""Which networks are fast and small enough: measured here, the most accurate first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from kerasnets import registry
from kerasnets.benchmark.config import BenchmarkConfig
from kerasnets.benchmark.measure import Measurement, measure
from kerasnets.lazy import notes_withheld
from kerasnets.registry import ModelInfo, WeightSource

log = logging.getLogger("kerasnets")

Device = Literal["auto", "cpu", "gpu"]
# Nothing computes so much faster than the fastest that was measured, in multiply-adds a second.
FASTER = 2.0


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A network that was measured.

    Attributes:
        info: The network.
        weights: The published weights whose accuracy counts.
        seconds: Median time of an answer on one image; ``None`` where it could not be measured.
        fits: Whether that is short enough.
        error: Why it could not be measured.
    """

    info: ModelInfo
    weights: WeightSource
    seconds: float | None
    fits: bool
    error: str | None = None


def size_of(facts: ModelInfo) -> int:
    """Bytes of a network's weights in float32."""
    return 4 * facts.params


def candidates(size: float | None = None) -> list[tuple[ModelInfo, WeightSource]]:
    """Networks and their best published weights of ImageNet, the most accurate first.

    Args:
        size: Most bytes of the weights in float32; any if not given.
    """
    found = []
    for name in registry.list_models():
        facts = registry.info(name)
        rows = [row for row in facts.weights if row.data.endswith("ImageNet-1k")]
        if rows and (size is None or size_of(facts) <= size):
            found.append((facts, rows[0]))
    return sorted(found, key=lambda pair: -pair[1].top1)


def advise(
    latency: float,
    size: float | None = None,
    *,
    device: Device = "auto",
    most: int = 3,
    measured: Callable[[str, Device], Measurement] | None = None,
) -> Iterator[Advice]:
    """Measures networks from the most accurate on, until enough of them are fast enough.

    Passed over is what a measurement has shown to be too slow: a larger network of the family of
    one that is, and one with more multiply-adds than any could do in the time.

    Args:
        latency: Longest time of an answer on one image, in seconds.
        size: Most bytes of the weights in float32; any if not given.
        device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
        most: How many are enough.
        measured: Measures a network on a device; `exported` by default.

    Yields:
        What was measured, those that fit and those that do not.
    """
    slow: dict[str, int] = {}
    speed, fitting = 0.0, 0
    for facts, weights in candidates(size):
        too_many = speed and facts.multiply_adds > latency * speed * FASTER
        if too_many or facts.multiply_adds >= slow.get(facts.family, facts.multiply_adds + 1):
            continue
        log.info("Measuring %s ...", facts.name)
        row = (measured or exported)(facts.name, device)
        seconds = row.median
        fits = seconds is not None and seconds <= latency
        yield Advice(info=facts, weights=weights, seconds=seconds, fits=fits, error=row.error)
        if seconds is not None:
            speed = max(speed, facts.multiply_adds / seconds)
            if not fits:
                slow[facts.family] = facts.multiply_adds
        fitting += fits
        if fitting == most:
            return


def exported(network: str, device: Device) -> Measurement:
    """The network's SavedModel, one image at a time, in a process of its own."""
    config = BenchmarkConfig(
        what=("exported",), batch_sizes=(1,), devices=(device,), round_seconds=0.3
    )
    # Those of TensorFlow's start, of each process anew.
    with notes_withheld():
        (row,) = measure((network,), config)
    return row
