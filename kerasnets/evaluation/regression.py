"""What an evaluation of numbers found: how far off they are."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass

import numpy as np

from kerasnets.data.sources import Split
from kerasnets.evaluation.results import Table, check_numbers, fractions
from kerasnets.files import write_csv, write_text

METRICS, NUMBERS, ANSWERS = "metrics.json", "numbers.csv", "predictions.csv"


@dataclass(frozen=True, eq=False)
class RegressionMetrics:
    """The figures of one evaluation, in the units of the labels.

    Attributes:
        split: Name of the split.
        images: Number of images, each counted once.
        labels: The true numbers, (N, numbers).
        predicted: The network's, (N, numbers).
    """

    split: str
    images: int
    labels: np.ndarray
    predicted: np.ndarray

    @property
    def loss(self) -> float:
        """Mean squared error of all numbers."""
        return float(((self.labels - self.predicted) ** 2).mean())

    @property
    def mae(self) -> np.ndarray:
        """Mean absolute error of each number."""
        return np.abs(self.labels - self.predicted).mean(axis=0)

    @property
    def rmse(self) -> np.ndarray:
        """Root of the mean squared error of each number."""
        return np.sqrt(((self.labels - self.predicted) ** 2).mean(axis=0))

    @property
    def r2(self) -> np.ndarray:
        """Coefficient of determination of each number; NaN where all labels are alike."""
        spread = self.labels.var(axis=0)
        return 1 - fractions(self.rmse**2, spread)

    def summary(self) -> dict[str, object]:
        """The figures for all numbers together, ready for JSON; means over the numbers."""
        own = {"mae": self.mae, "rmse": self.rmse, "r2": self.r2}
        means = {
            name: None if np.isnan(found).all() else float(np.nanmean(found))
            for name, found in own.items()
        }
        return {"split": self.split, "images": self.images, "loss": self.loss, **means}

    def __str__(self) -> str:
        found = self.summary()
        r2 = "none" if found["r2"] is None else f"{found['r2']:.4f}"
        return (
            f"{self.split}: mean absolute error {found['mae']:.4g}, R2 {r2}, mean squared error "
            f"{self.loss:.4g} on {self.images:,} images"
        )


def measure(split: str, outputs: np.ndarray, labels: np.ndarray) -> RegressionMetrics:
    """The figures of a network's outputs.

    Args:
        split: Name of the split.
        outputs: The network's numbers, (N, numbers).
        labels: The true ones, (N, numbers).

    Raises:
        UserError: When an output is no number.
    """
    check_numbers(split, outputs)
    true, found = labels.astype(np.float64), outputs.astype(np.float64)
    return RegressionMetrics(split, len(labels), true, found)


def write_report(
    folder: pathlib.Path, metrics: RegressionMetrics, names: tuple[str, ...], split: Split
) -> tuple[str, ...]:
    """Writes the figures in all and by number, and the numbers of each image, true and predicted.

    Returns:
        The names of the files.
    """
    write_text(folder / METRICS, json.dumps(metrics.summary(), indent=2) + "\n")
    rows = zip(names, metrics.mae, metrics.rmse, metrics.r2, strict=True)
    figures = ((name, *("" if np.isnan(x) else f"{x:.6g}" for x in row)) for name, *row in rows)
    write_csv(folder / NUMBERS, ("number", "mae", "rmse", "r2"), figures)
    columns, rows = answers(metrics, names)
    named = ((split.name(index), *row) for index, row in enumerate(rows))
    write_csv(folder / ANSWERS, ("image", *columns), named)
    return METRICS, NUMBERS, ANSWERS


def answers(metrics: RegressionMetrics, names: tuple[str, ...]) -> Table:
    """What the network said of each image: columns, and a row for each."""
    header = tuple(f"{name} {kind}" for name in names for kind in ("true", "predicted"))
    both = np.stack([metrics.labels, metrics.predicted], axis=2).reshape(metrics.images, -1)
    return header, ([f"{x:.6g}" for x in row] for row in both)
