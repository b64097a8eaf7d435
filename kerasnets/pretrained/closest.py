"""Finding the networks that a weight file is for."""

from __future__ import annotations

import math

from kerasnets.models.build import build
from kerasnets.registry import info, list_models, registration
from kerasnets.weights import memory
from kerasnets.weights.files import WeightFile
from kerasnets.weights.plan import fits

# How many networks are built and compared, and how much larger or smaller than the file they are.
MOST, RATIO = 6, 1.5


def networks_that_fit(file: WeightFile) -> list[str]:
    """The networks whose tensors the file holds, for any number of classes, with or without top.

    Those of about the file's size are built, which takes seconds.
    """
    size = sum(stored.size for stored in file.tensors.values())

    def distance(name: str) -> float:
        return abs(math.log(info(name).params / max(1, size)))

    near = sorted(list_models(), key=distance)[:MOST]
    found = []
    for name in near:
        if distance(name) < math.log(RATIO):
            network = build(name, initialize=memory.Deferred)
            if fits(network, file, registration(name)):
                found.append(name)
    return found
