"""What was found: a line of JSON for each network and peer."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

import numpy as np

from benchmarks.records import append, read

Tensors = dict[str, np.ndarray]

PATH = pathlib.Path(__file__).parent / "results.jsonl"


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The largest relative differences from PyTorch in float64 after some steps.

    Attributes:
        loss: Of any of these steps.
        gradients: Of the first step.
        parameters: Of their changes since the start.
        statistics: Of the changes of the batch norms' moving statistics; ``None`` where there are
            no batch norms.
    """

    loss: float
    gradients: float
    parameters: float
    statistics: float | None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A training beside PyTorch's in float64: after the first step, after some, after the last."""

    first: Differences
    early: Differences
    last: Differences


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found of a network.

    Attributes:
        network: Our name.
        project: Whose network stands beside it.
        side: Of the images, in pixels.
        batch: Images in a step.
        steps: How many were made.
        losses: PyTorch's in float64, of the first step and of the last.
        ours_float64: Our step in float64, of Keras' operations.
        ours_float32: Our step as users have it, with the kernels of `kerasnets.fast`.
        theirs_float32: PyTorch's in float32.
        nearby: PyTorch's in float64 from weights that differ by 1e-7 of their values.
        versions: Of kerasnets, Keras, TensorFlow, PyTorch and the project.
        machine: Model and number of cores of the processor.
        day: When it ended.
        seconds: What it took.
    """

    network: str
    project: str
    side: int
    batch: int
    steps: int
    losses: tuple[float, ...]
    ours_float64: Compared
    ours_float32: Compared
    theirs_float32: Compared
    nearby: Compared
    versions: dict[str, str]
    machine: str
    day: str
    seconds: int

    @property
    def name(self) -> str:
        """As the command takes it."""
        return f"{self.project}:{self.network}:{self.steps}"

    def append(self) -> None:
        """Adds it to the file."""
        append(PATH, self)


def known() -> dict[str, Outcome]:
    """What was found so far, by name."""
    return {each.name: each for each in read(PATH, Outcome)}


def largest_difference(found: Tensors, expected: Tensors, start: Tensors | None = None) -> float:
    """The largest difference of two numbers, relative to the largest of their layer.

    Of the layer, not of the tensor: a convolution's bias in front of a batch norm has no gradient
    but what rounding leaves. Where a whole layer has hardly any, as DenseNet's first batch norm in
    front of others, a thousandth of the network's largest number takes the place of the layer's.

    Args:
        found: By name.
        expected: The same tensors.
        start: Where both started, if their changes are to be compared.

    Raises:
        ValueError: When they are not of the same tensors.
    """
    if found.keys() != expected.keys():
        raise ValueError(f"Only one has {sorted(found.keys() ^ expected.keys())}.")
    differences: dict[str, float] = {}
    sizes: dict[str, float] = {}
    for name, values in expected.items():
        layer = name.rpartition(".")[0]
        of_start = start[name] if start else 0.0
        difference = float(np.abs(found[name] - values).max())
        differences[layer] = max(differences.get(layer, 0.0), difference)
        sizes[layer] = max(sizes.get(layer, 0.0), float(np.abs(values - of_start).max()))
    least = max(sizes.values()) / 1000
    return max(differences[layer] / max(sizes[layer], least) for layer in sizes)
