"""Our training step is PyTorch's, for every network that torchvision or timm has too.

docs/peer_training.md shows such figures; `python -m benchmarks.peer_training` writes them.
"""

from __future__ import annotations

import pytest

from benchmarks.peer_training.cases import cases
from benchmarks.peer_training.limits import exceeded
from kerasnets.benchmark.measure import alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("torch", "torchvision", "timm"),
    pytest.mark.timeout(7200),
]


@pytest.mark.parametrize("name", cases())
def test_training_is_the_peers(name):
    from benchmarks.peer_training.measure import measure

    assert exceeded(alone(measure, cases()[name])) == []
