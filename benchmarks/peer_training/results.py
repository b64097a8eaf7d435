"""What was found: a line of JSON for each network and peer."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

import numpy as np

from benchmarks.records import append, read

Tensors = dict[str, np.ndarray]

# So many numbers fit into a cache: larger temporary arrays take three times as long.
BLOCK = 1 << 14

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
    differences: dict[str, list[float]] = {}
    sizes: dict[str, list[float]] = {}
    for name, values in expected.items():
        layer = name.rpartition(".")[0]
        of_start = start[name] if start else np.zeros((), values.dtype)
        differences.setdefault(layer, []).append(_largest(found[name], values))
        sizes.setdefault(layer, []).append(_largest(values, of_start))
    # NumPy's maximum of numbers that include NaN is NaN, Python's may be any.
    of_layers = np.array([np.max(each) for each in sizes.values()])
    relative = [np.max(each) for each in differences.values()]
    return float(np.max(relative / np.maximum(of_layers, of_layers.max() / 1000)))


def _largest(some: np.ndarray, others: np.ndarray) -> float:
    """The largest absolute difference of two arrays, or of an array and a number; NaN for NaN."""
    if others.ndim and some.shape != others.shape:
        raise ValueError(f"Shapes differ: {some.shape} and {others.shape}.")
    flat, size = some.ravel(), some.size
    beside = others.ravel() if others.ndim else np.broadcast_to(others, size)
    blocks = (slice(place, place + BLOCK) for place in range(0, size, BLOCK))
    return float(np.max([np.abs(flat[block] - beside[block]).max() for block in blocks]))
