"""What an experiment yields: a cell for each variant and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Curve = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Measured:
    """What was measured of one variant.

    Attributes:
        values: A number for each measure, whose name says what it is, with its unit.
        curves: For each name, the places on the x axis and the values there.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One variant, run with one seed.

    Attributes:
        variant: Name of the variant.
        seed: The seed, 0 for what no seed changes.
        seconds: How long it took.
        values, curves: See `Measured`.
    """

    variant: str
    seed: int
    seconds: float
    values: dict[str, float]
    curves: dict[str, list[list[float]]]


def by_seed(cells: Sequence[Cell], variant: str, measure: str) -> dict[int, float]:
    """A measure of one variant, by seed, as far as it is there."""
    return {
        cell.seed: cell.values[measure]
        for cell in cells
        if cell.variant == variant and measure in cell.values
    }
