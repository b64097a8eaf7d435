"""The folder of a cross-validation: its configuration, a run for each fold, and their figures."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
import shlex
from typing import Any

import numpy as np

from kerasnets.config.training import TrainConfig, differences, from_json, to_json
from kerasnets.errors import UserError
from kerasnets.files import make_folder, read_text, write_text
from kerasnets.runs.folder import is_free
from kerasnets.runs.run import CONFIG, Run

# What makes a folder that of a cross-validation, and what is written at its end: the figures, and
# what the run that had not seen an image said of it.
CROSS_VALIDATION = "cross_validation.json"
FIGURES, OUT_OF_FOLD = "folds.json", "out_of_fold.csv"


def cross_validation(folder: pathlib.Path) -> TrainConfig | None:
    """The configuration of the cross-validation in a folder; ``None`` where there is none.

    Raises:
        UserError: When the file is damaged.
    """
    path = folder / CROSS_VALIDATION
    return from_json(read_text(path), str(path)) if path.is_file() else None


def check_folds(config: TrainConfig, folder: pathlib.Path, *, resume: bool) -> None:
    """Refuses a cross-validation that cannot begin, or go on, in a folder.

    Args:
        config: Its configuration, resolved.
        folder: Its folder.
        resume: Whether an earlier one goes on.

    Raises:
        UserError: When the folder holds something else, or one of other settings.
    """
    if config.cluster is not None or "TF_CONFIG" in os.environ:
        raise UserError("A cross-validation runs on one worker; leave out --cluster and TF_CONFIG.")
    earlier = cross_validation(folder)
    if earlier is None and resume:
        raise UserError(f"There is no cross-validation in {str(folder)!r} to resume.")
    if earlier is None and not is_free(folder):
        raise UserError(f"{str(folder)!r} is not empty; choose another --out.")
    if earlier is not None and (changed := differences(earlier, config)):
        name, (own, given) = next(iter(changed.items()))
        raise UserError(
            f"{str(folder)!r} holds a cross-validation with {name} {own}, not {given}. Choose "
            "another --out."
        )
    if earlier is not None and not resume:
        raise UserError(
            f"{str(folder)!r} holds this cross-validation already; add --resume to go on, or "
            "choose another --out."
        )


def begin_folds(config: TrainConfig, folder: pathlib.Path) -> None:
    """Makes the folder and records in it what the cross-validation is."""
    write_text(make_folder(folder) / CROSS_VALIDATION, to_json(config))


def config_of_fold(config: TrainConfig, folder: pathlib.Path, fold: int) -> TrainConfig:
    """The configuration of the run of one fold."""
    return dataclasses.replace(config, fold=fold, out=folder / f"fold-{fold}")


def is_run(folder: pathlib.Path) -> bool:
    """Whether a fold's run has begun."""
    return (folder / CONFIG).is_file()


def figures_of(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation (of a sample) and values of each figure of some runs."""
    found: dict[str, dict[str, Any]] = {}
    every = [run.metrics() for run in runs]
    for name in every[0]:
        values = [each.get(name) for each in every]
        if name == "images" or not all(isinstance(x, int | float) for x in values):
            continue
        numbers = np.array(values, float)
        found[name] = {
            "mean": float(numbers.mean()),
            "deviation": float(numbers.std(ddof=1)),
            "values": numbers.tolist(),
        }
    return found


def read_out_of_fold(
    folder: pathlib.Path,
) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray, np.ndarray]:
    """What the runs said of the images that they left out, of one class each.

    Returns:
        The images' names, the classes, the labels (N,) and the probabilities (N, classes).

    Raises:
        UserError: When the cross-validation has not ended, or the file is damaged.
    """
    path = folder / OUT_OF_FOLD
    if not path.is_file():
        raise UserError(
            f"The cross-validation in {str(folder)!r} has not ended; go on with: kerasnets train "
            f"--out {shlex.quote(str(folder))} --resume"
        )
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rows = list(csv.reader(file))
        names = tuple(header[4:])
        labels = np.array([names.index(row[2]) for row in rows])
        said = np.array([row[4:] for row in rows], float).reshape(len(rows), len(names))
    except (OSError, csv.Error, ValueError, IndexError) as error:
        raise UserError(f"{str(path)!r} is damaged: {error}.") from error
    return tuple(row[1] for row in rows), names, labels, said
