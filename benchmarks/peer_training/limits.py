"""By how much our training may differ from PyTorch's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from benchmarks.peer_training.cases import EARLY
from benchmarks.peer_training.results import Outcome
from kerasnets import info

# The least that peers differ by, an epsilon of 1.001e-5 for 1e-5, moves what a batch norm returns
# by 5e-9 of itself. Rounding to float64 takes 1e-16 at each of some hundred layers.
EXACT = 1e-9
# What our kernels may lose beside PyTorch's: four bits, for convolutions in tiles.
KERNELS = 16
# Float32's least difference: by luck, fewer bits of one number may be lost.
UNIT = 2.0**-23
# Of gradients and parameters in float32, by family. Where few windows of one image are pooled last,
# rounding may move a maximum to another pixel, and with it some of the gradients of a channel: in
# the last pooling of vgg11 two numbers differ by 3e-8 of the largest. What DenseNet's first batch
# norm gets is what cancels in front of all others, and as small.
MOVED, CANCELLED = 0.3, 1e-3
LOOSE = {"alexnet": MOVED, "vgg": MOVED, "densenet": CANCELLED}
# By how much more our float32 may have drifted than the control or PyTorch's: chaos has its luck.
DRIFT = 4
# Parameters that never move differ by 1, so a limit of 1 or more would say nothing.
ALL = 1.0


def exceeded(found: Outcome) -> list[str]:
    """What of a comparison is beyond its limit, in words; nothing where all is within."""
    limits = [*_of_one_step(found)] if found.steps == 1 else [*of_several(found)]
    limits += [
        (f"{what} of the first step, float64", value, EXACT)
        for what, value in dataclasses.asdict(found.ours_float64.first).items()
        if value is not None
    ]
    # Not "value > limit": NaN is beyond every limit.
    return [
        f"{what}: {value:.2g}, limit {limit:.2g}"
        for what, value, limit in limits
        if not value < limit
    ]


def _of_one_step(found: Outcome) -> Iterator[tuple[str, float, float]]:
    """In float32, of what PyTorch itself loses there."""
    own = dataclasses.asdict(found.theirs_float32.first)
    for what, value in dataclasses.asdict(found.ours_float32.first).items():
        if value is not None:
            least = _loose(found) if what in ("gradients", "parameters") else 0.0
            yield f"{what}, float32", value, max(KERNELS * max(own[what], UNIT), least)


def _loose(found: Outcome) -> float:
    return LOOSE.get(info(found.network).family, 0.0)


def of_several(found: Outcome) -> Iterator[tuple[str, float, float]]:
    """What of several steps can be checked: in words, its value, and its limit.

    All drift by the same chaos; in float64 ours starts at its unit, not at float32's.
    """
    drift = found.nearby.early.parameters
    what = f"parameters after {EARLY} steps"
    # Where the control has lost its way, less than float64's rounding leads astray: of
    # resnet101_v1_5, weights that differ by 1e-12 are 0.6 apart by then, in PyTorch too.
    if drift < ALL:
        yield f"{what}, float64", found.ours_float64.early.parameters, drift / 1000
    limit = max(DRIFT * max(drift, found.theirs_float32.early.parameters), _loose(found))
    if limit < ALL:
        yield f"{what}, float32", found.ours_float32.early.parameters, limit
