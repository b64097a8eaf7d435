"""Which networks stand for their families in `make test`; `make trials` takes every network."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import kerasnets
from tests.slow import slow_except

NAMES = kerasnets.list_models()
# Without shortcuts they would say little of a residual family; Inception v4 is made of v3's parts.
_OTHERS_SAY_MORE = {*kerasnets.list_models("plain*"), "inception_v4"}
_BY_COST = sorted(NAMES, key=lambda name: kerasnets.info(name).multiply_adds, reverse=True)
# The smallest network of each family, whose builders do the same at any depth.
SMALLEST = {
    kerasnets.info(name).family: name for name in _BY_COST if name not in _OTHERS_SAY_MORE
}.values()


def every_network(quick: Collection[str] = SMALLEST) -> list[Any]:
    """All networks, to parametrize a test by; those that are not quick are marked `slow`."""
    return slow_except(quick, NAMES)
