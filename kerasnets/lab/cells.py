"""What an experiment yields: a cell for each variant and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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

    @classmethod
    def of(cls, variant: str, seed: int, seconds: float, measured: Measured) -> Cell:
        """The cell of what was measured, in plain numbers."""
        values = {name: float(value) for name, value in measured.values.items()}
        curves = {
            name: [[float(x) for x in axis] for axis in pair]
            for name, pair in measured.curves.items()
        }
        return cls(variant, seed, rounded(seconds), rounded(values), rounded(curves))


def by_seed(cells: Sequence[Cell], variant: str, measure: str) -> dict[int, float]:
    """A measure of one variant, by seed, as far as it is there."""
    return {
        cell.seed: cell.values[measure]
        for cell in cells
        if cell.variant == variant and measure in cell.values
    }


def rounded(value: Any) -> Any:
    """A plain value whose numbers have six digits, which is what a figure can show."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < 1e6 else value
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value
