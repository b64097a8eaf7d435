"""``history.csv``: the figures of each epoch, and their curves."""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Collection

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasnets.errors import UserError
from kerasnets.files import read_text
from kerasnets.plotting import save_figure

# Columns that every ``history.csv`` has.
COLUMNS = {"epoch", "loss", "accuracy", "learning_rate"}


def read_history(path: pathlib.Path) -> list[dict[str, float]]:
    """The rows of a ``history.csv``; none where there is no such file.

    Raises:
        UserError: When it cannot be read, or a row is damaged.
    """
    if not path.is_file():
        return []
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    rows = []
    try:
        for row in reader:
            rows.append({name: float(value) for name, value in row.items()})
            rows[-1]["epoch"] = int(rows[-1]["epoch"])
            if missing := COLUMNS - rows[-1].keys():
                raise KeyError(f"no {min(missing)}")
    except (csv.Error, ValueError, TypeError, KeyError, OverflowError) as error:
        raise UserError(
            f"{str(path)!r} is damaged: line {reader.line_num} is no row of figures ({error})."
        ) from error
    return rows


def save_curves(
    path: pathlib.Path,
    rows: list[dict[str, float]],
    title: str,
    extended: Collection[int] = (),
) -> None:
    """Draws loss, accuracy and learning rate over the epochs.

    Args:
        path: Path of the PNG file.
        rows: Rows of the run's ``history.csv``, at least one.
        title: Text above the picture.
        extended: Epochs after which the run was extended; each gets a line.
    """
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(13, 4), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    figure.suptitle(title, parse_math=False)
    for axis, name in ((loss, "loss"), (accuracy, "accuracy")):
        axis.plot(epochs, [row[name] for row in rows], marker=".", label="training")
        if f"val_{name}" in rows[0]:
            axis.plot(epochs, [row[f"val_{name}"] for row in rows], marker=".", label="validation")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
    loss.set_yscale("log")
    rate.plot(epochs, [row["learning_rate"] for row in rows], marker=".", color="tab:green")
    rate.set(xlabel="epoch", ylabel="learning rate at the end of the epoch")
    for axis in (loss, accuracy, rate):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        for epoch in extended:
            axis.axvline(epoch + 0.5, color="grey", linestyle="--", linewidth=1)
    save_figure(figure, path)
