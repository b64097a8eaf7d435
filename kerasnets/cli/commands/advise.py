"""``kerasnets advise``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Optional

from kerasnets.cli.quantities import BYTES, SECONDS, quantity
from kerasnets.errors import UserError
from kerasnets.lazy import check_backend

if TYPE_CHECKING:
    from kerasnets.benchmark.advice import Advice

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Advise:
    """Name the most accurate networks that are fast and small enough on this machine.

    Networks with published weights of ImageNet are measured here, from the most accurate on, until
    three are fast enough.
    """

    latency: str
    """Longest time of an answer on one image, such as 50ms."""
    size: Optional[str] = None  # noqa: UP045  # tyro loads typeguard for `str | None`
    """Most bytes of the weights in float32, such as 20MB; any if not given."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Device to measure on: auto takes a GPU where there is one."""

    def run(self) -> None:
        from kerasnets.benchmark.advice import advise, candidates
        from kerasnets.cli.tables import show
        from kerasnets.runs.environment import cores

        check_backend("tensorflow")
        latency = quantity(self.latency, SECONDS, "--latency")
        size = None if self.size is None else quantity(self.size, BYTES, "--size")
        if not candidates(size):
            smallest = min(4 * facts.params for facts, _ in candidates())
            raise UserError(
                f"No network with published weights of ImageNet has at most {self.size}; the "
                f"smallest has {smallest / 1e6:.1f}MB."
            )
        found = []
        for each in advise(latency, size, device=self.device):
            found.append(each)
            log.info("%s: %s", each.info.name, _outcome(each))
            # One may be too large for the memory; with three it is the machine.
            if len(found) == 3 and not any(each.seconds for each in found):
                raise UserError(f"{each.info.name} could not be measured: {each.error}.")
        fitting = [each for each in found if each.fits]
        log.info(
            "Measured: %d networks as SavedModels in float32, one image at a time, on %s; the "
            "median of five rounds. Sizes are of the weights in float32, accuracies as published, "
            "on ImageNet.",
            len(found),
            {"gpu": "the GPU", "cpu": f"{cores()} CPU cores"}.get(self.device, "the device here"),
        )
        if not fitting:
            raise UserError(
                f"No network with published weights answers within {self.latency} here. A smaller "
                "input, --options width 0.5, or export --quantize int8 may."
            )
        show(
            ("network", "top-1", "ms", "MB", "multiply-adds", "input", "--weights"),
            map(_cells, fitting),
            left=("network", "--weights"),
        )
        best = fitting[0]
        log.info("To take the first:")
        log.info("  kerasnets export %s --weights %s", best.info.name, best.weights.tag)


def _outcome(each: Advice) -> str:
    if each.seconds is None:
        return f"not measured: {each.error}"
    return f"{1e3 * each.seconds:.1f} ms" + ("" if each.fits else ", too slow")


def _cells(each: Advice) -> tuple[object, ...]:
    facts = each.info
    return (
        facts.name,
        f"{each.weights.top1:.2f}",
        f"{1e3 * (each.seconds or 0):.1f}",
        f"{4 * facts.params / 1e6:.1f}",
        facts.multiply_adds,
        "x".join(map(str, facts.input_shape)),
        each.weights.tag,
    )
