"""``kerasnets runs``."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tyro.conf import Positional

from kerasnets.cli.checks import check_file
from kerasnets.cli.tables import show
from kerasnets.errors import UserError
from kerasnets.files import write_csv
from kerasnets.reports.facts import began, duration, training_seconds
from kerasnets.runs.history import read_history
from kerasnets.runs.run import CONFIG, Run

log = logging.getLogger("kerasnets")

Column = Literal["accuracy", "name", "date", "network", "data", "epochs", "time", "loss"]
# The columns that are sorted from the largest value down.
FALLING = ("accuracy", "date", "time", "epochs")


@dataclass(frozen=True)
class Runs:
    """List the runs of a folder as a table."""

    folder: Positional[pathlib.Path] = pathlib.Path("runs")
    """Folder of run folders."""
    sort: Column = "date"
    """Column to sort by; accuracy, date, time and epochs from the largest down."""
    csv: pathlib.Path | None = None
    """CSV file to which the table is written too, with plain numbers."""

    def run(self) -> None:
        if self.csv:
            check_file(self.csv, (".csv",), "--csv")
        rows = self._rows()
        if not rows:
            raise UserError(f"There are no runs in {str(self.folder)!r}.")
        known = [row for row in rows if row[self.sort] is not None]
        known.sort(key=lambda row: row[self.sort], reverse=self.sort in FALLING)
        rows = known + [row for row in rows if row[self.sort] is None]
        cells = [[_SHOWN.get(name, _same)(value) for name, value in row.items()] for row in rows]
        show(list(rows[0]), cells, left=("name", "network", "data", "recipe", "state"))
        if self.csv:
            write_csv(self.csv, list(rows[0]), [row.values() for row in rows])
            print(f"Written to {self.csv}.")

    def _rows(self) -> list[dict[str, Any]]:
        """A row for each run that can be read; the others are named."""
        if not self.folder.is_dir():
            raise UserError(f"There is no folder {str(self.folder)!r}.")
        if (self.folder / CONFIG).is_file():
            raise UserError(
                f"{str(self.folder)!r} is a run itself; kerasnets info shows it. Give the folder "
                "above it."
            )
        rows = []
        for path in sorted(self.folder.iterdir()):
            if not (path / CONFIG).is_file():
                continue
            try:
                rows.append(_row(path))
            except UserError as error:
                log.warning("left out: %s", error)
        return rows


def _row(folder: pathlib.Path) -> dict[str, Any]:
    """What stands of a run in its row."""
    run = Run.load(folder)
    history, metrics = read_history(folder / "history.csv"), run.metrics()
    return {
        "name": folder.name,
        "network": run.config.model,
        "data": run.config.data,
        "recipe": run.recipe.name,
        "epochs": len(history),
        "state": "finished" if run.finished else f"of {run.recipe.epochs}",
        "accuracy": metrics.get("top1"),
        "loss": metrics.get("loss"),
        "time": training_seconds(history),
        "date": began(run).isoformat(sep=" ", timespec="minutes")[:16],
    }


def _same(value: Any) -> Any:
    return value


_SHOWN: dict[str, Callable[[Any], Any]] = {
    "accuracy": lambda value: "" if value is None else f"{value:.2%}",
    "loss": lambda value: "" if value is None else f"{value:.4f}",
    "time": duration,
}
