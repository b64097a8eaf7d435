"""Our training step is PyTorch's, for every network that torchvision or timm has too.

docs/peer_training.md shows such figures; `python -m benchmarks.peer_training` writes them.
"""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.peer_training.cases import cases
from kerasnets import info
from kerasnets.benchmark.measure import alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("torch", "torchvision", "timm"),
    pytest.mark.timeout(7200),
]

# The least that peers differ by, an epsilon of 1.001e-5 for 1e-5, moves what a batch norm returns
# by 5e-9 of itself. Rounding to float64 takes 1e-16 at each of some hundred layers.
EXACT = 1e-9
# What our kernels may lose beside PyTorch's: three bits, for convolutions in tiles.
KERNELS = 8
# Float32's least difference: by luck, fewer bits of one number may be lost.
UNIT = 2.0**-23
# Where few windows of one image are pooled last, rounding may move a maximum to another pixel, and
# with it some of the gradients of a channel.
POOLED, MOVED = ("alexnet", "vgg"), 0.3


@pytest.mark.parametrize("name", cases())
def test_training_is_the_peers(name):
    from benchmarks.peer_training.measure import measure

    found = alone(measure, cases()[name])
    ours, kernels, theirs = found.ours_float64, found.ours_float32, found.theirs_float32
    for what, value in dataclasses.asdict(ours.first).items():
        assert value is None or value < EXACT, what
        if value is not None and found.steps == 1:
            rounded, own = (getattr(each.first, what) for each in (kernels, theirs))
            limit = KERNELS * max(own, UNIT)
            if info(found.network).family in POOLED and what in ("gradients", "parameters"):
                limit = max(limit, MOVED)
            assert rounded < limit, what
    if found.steps > 1:
        # All drift by the same chaos; in float64 ours starts at its unit, not at float32's.
        drift = found.nearby.early.parameters
        assert ours.early.parameters < drift / 1000
        assert kernels.early.parameters < KERNELS * max(drift, theirs.early.parameters)
