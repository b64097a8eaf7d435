"""What an experiment found: its cells, the verdict, the table and the figure."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import shlex
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kerasnets.errors import UserError
from kerasnets.files import read_json, write_csv, write_text
from kerasnets.lab.catalogue import experiment
from kerasnets.lab.cells import Cell, by_seed, rounded
from kerasnets.lab.design import Experiment
from kerasnets.lab.figure import figure_of
from kerasnets.lab.verdict import Verdict, judge, number
from kerasnets.plotting import save_figure
from kerasnets.values import from_plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

RECORD = "results.json"
COLUMNS = ("variant", "seed", "measure", "value")


@dataclass(frozen=True)
class Results:
    """What was found.

    Attributes:
        name: Name of the experiment.
        scale: ``"small"``, ``"full"``, or ``"custom"`` for one that a caller made.
        data: The data set.
        seeds: Number of seeds.
        began: The day.
        machine: Model and number of cores of the processor.
        cells: One for each variant and seed.
        epochs: How long each training took; ``None`` where there is none, or it was not noted.
        identity: What tells this experiment from others, see `Experiment.identity`.
    """

    name: str
    scale: str
    data: str
    seeds: int
    began: str
    machine: str
    cells: tuple[Cell, ...]
    epochs: int | None = None
    identity: dict[str, Any] = field(default_factory=dict, compare=False)

    def with_cell(self, cell: Cell) -> Results:
        """The results with one more cell."""
        return dataclasses.replace(self, cells=(*self.cells, cell))

    @property
    def experiment(self) -> Experiment:
        """What was run."""
        return experiment(self.name)

    @functools.cached_property
    def verdict(self) -> Verdict:
        """The rule of the experiment, applied."""
        return judge(self.experiment.claims, self.cells, exact=self.experiment.exact)

    @property
    def seconds(self) -> float:
        """About how long all cells take: their median, which no cell that was stopped changes."""
        return statistics.median(cell.seconds for cell in self.cells) * len(self.cells)

    @property
    def command(self) -> str:
        """What a shell runs to get the same."""
        words = ["kerasnets", "lab", self.name]
        words += ["--scale", self.scale] if self.scale not in ("small", "custom") else []
        chosen = getattr(self.experiment, self.scale, None)
        words += ["--data", self.data] if chosen and chosen.data != self.data else []
        if not self.experiment.exact and not (chosen and chosen.seeds == self.seeds):
            words += ["--seeds", str(self.seeds)]
        if self.epochs and chosen and self.epochs != chosen.recipe.get("epochs"):
            words += ["--epochs", str(self.epochs)]
        return shlex.join(words)

    @property
    def rows(self) -> list[tuple[str, int, str, float]]:
        """A row for each variant, seed and measure, as `COLUMNS` names them."""
        return [
            (cell.variant, cell.seed, measure, value)
            for cell in self.cells
            for measure, value in cell.values.items()
        ]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Header and rows: of each variant the mean of each measure, and over seeds its range."""
        measures = tuple(dict.fromkeys(measure for _, _, measure, _ in self.rows))
        variants = dict.fromkeys(cell.variant for cell in self.cells)
        rows = [
            (name, *(_spread(list(by_seed(self.cells, name, each).values())) for each in measures))
            for name in variants
        ]
        return ("variant", *measures), rows

    def to_frame(self) -> DataFrame:
        """The rows as a DataFrame.

        Raises:
            UserError: When pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("to_frame needs pandas, which is not installed.") from None
        return pandas.DataFrame(self.rows, columns=list(COLUMNS))

    @property
    def figure(self) -> Figure:
        """The picture; a notebook shows it."""
        own = self.experiment
        return figure_of(f"{own.title}: {self.verdict.word}", own.plot, self.cells, own.exact)

    def save(self, folder: str | os.PathLike, picture: str = "figure.png") -> None:
        """Writes ``results.json``, ``table.csv``, ``verdict.txt`` and the picture."""
        folder = pathlib.Path(folder)
        write_text(folder / RECORD, self.to_json())
        write_csv(folder / "table.csv", COLUMNS, self.rows)
        write_text(folder / "verdict.txt", f"{self.verdict}\n")
        save_figure(self.figure, folder / picture)

    def to_json(self) -> str:
        """Everything, as a readable file."""
        return json.dumps(rounded(dataclasses.asdict(self)), indent=1) + "\n"

    @classmethod
    def load(cls, path: str | os.PathLike) -> Results:
        """What `to_json` wrote.

        Raises:
            UserError: When it cannot be read, or the experiment is not known.
        """
        values = read_json(path, dict[str, object], "the results of an experiment")
        try:
            found = from_plain(cls, values, "the results of an experiment")
        except ValueError as error:
            raise UserError(f"{str(path)!r} is damaged: {error}") from error
        _ = found.experiment
        return found


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    mean = number(statistics.fmean(values))
    return f"{mean} ({number(min(values))} to {number(max(values))})" if len(values) > 1 else mean
