"""``history.csv``: the figures of each epoch, and their curves."""

from __future__ import annotations

import csv
import io
import os
import pathlib
from collections.abc import Collection, Mapping

from kerasnets.errors import UserError
from kerasnets.files import read_text
from kerasnets.plotting import plain_log_ticks, save_figure
from kerasnets.tasks import TASKS

# Columns that every ``history.csv`` has.
COLUMNS = {"epoch", "loss", "learning_rate"}


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


# What curves call the figures of the tasks, by the columns that hold them.
MEASURES = {task.measure: task.measured for task in TASKS.values()}


def panels(rows: list[dict[str, float]]) -> dict[str, tuple[str, str]]:
    """What curves show, and in which columns of the training and the validation images."""
    measure = next((name for name in MEASURES if rows and name in rows[0]), "accuracy")
    return {
        "loss": ("loss", "val_loss"),
        MEASURES[measure]: (measure, f"val_{measure}"),
        "learning rate": ("learning_rate", ""),
    }


def save_curves(
    path: str | os.PathLike,
    runs: Mapping[str, list[dict[str, float]]],
    title: str,
    extended: Collection[int] = (),
) -> None:
    """Draws loss, accuracy and learning rate over the epochs.

    Args:
        path: Path of the picture.
        runs: Rows of the ``history.csv`` of each run, at least one, by the run's name. Several
            runs have a colour each, and the curves of their training images are dashed.
        title: Text above the picture.
        extended: Epochs after which the run was extended; each gets a line.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(13, 4), layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    several, shown = len(runs) > 1, panels(next(iter(runs.values())))
    for axis, (what, columns) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        for number, (name, rows) in enumerate(runs.items()):
            for kind, column in zip(("training", "validation"), columns, strict=True):
                if column not in rows[0]:
                    continue
                style = {"color": f"C{number}"} if several else {}
                if several and kind == "training" and columns[1] in rows[0]:
                    style |= {"linestyle": "--", "alpha": 0.6}
                axis.plot(
                    [row["epoch"] for row in rows],
                    [row[column] for row in rows],
                    marker="." if len(rows) < 60 else "",
                    label=(f"{name}, {kind}" if columns[1] else name) if several else kind,
                    **style,
                )
        axis.set(xlabel="epoch", ylabel=what)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        if what == "loss" and all(row["loss"] > 0 for rows in runs.values() for row in rows):
            axis.set_yscale("log")
            plain_log_ticks(axis.yaxis)
        if columns[1] or several:
            for text in axis.legend(fontsize=8).get_texts():
                text.set_parse_math(False)
        for epoch in extended:
            axis.axvline(epoch + 0.5, color="grey", linestyle="--", linewidth=1)
    save_figure(figure, path)
