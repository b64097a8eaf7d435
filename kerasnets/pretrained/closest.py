"""Finding the networks that a weight file is for."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from kerasnets.errors import UserError
from kerasnets.models.build import unweighted
from kerasnets.registry import info, list_models, registration
from kerasnets.weights.plan import MisfitError, fits
from kerasnets.weights.tensors import WeightFile

# How many networks are built and compared, and how much larger or smaller than the file they are.
MOST, RATIO = 6, 1.5


def networks_that_fit(file: WeightFile) -> list[str]:
    """The networks whose tensors the file holds, for any number of classes, with or without top.

    Those of about the file's size are built, which takes seconds.
    """
    size = sum(stored.size for stored in file.tensors.values())

    def distance(name: str) -> float:
        return abs(math.log(info(name).params / max(1, size)))

    # Each layer has a tensor at least: the deepest, which take the longest, need not be built.
    possible = [name for name in list_models() if _depth(name) <= len(file.tensors)]
    near = sorted(possible, key=distance)[:MOST]
    return [
        name
        for name in near
        if distance(name) < math.log(RATIO) and fits(unweighted(name), file, registration(name))
    ]


def _depth(network: str) -> int:
    """The number of layers that a network's name tells, or 0."""
    depth = registration(network).variant.get("depth")
    return depth if isinstance(depth, int) else 0


@contextlib.contextmanager
def naming_networks_that_fit(file: WeightFile, network: str) -> Iterator[None]:
    """Adds to the error for a file that does not fit a network which networks it does fit."""
    try:
        yield
    except MisfitError as error:
        fitting = networks_that_fit(file)
        if network in fitting:
            raise  # as registered it fits; the options do not
        hint = (
            f"It fits {' or '.join(fitting)}."
            if fitting
            else "No network of about its size fits it."
        )
        raise UserError(f"{error} {hint}") from None
