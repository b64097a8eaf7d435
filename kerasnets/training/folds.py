"""Cross-validation: a run for each fold, measured on the images that it left out."""

from __future__ import annotations

import json
import logging
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kerasnets.config.training import TrainConfig
from kerasnets.evaluation.evaluator import logits_of_split
from kerasnets.evaluation.tasks import EVALUATIONS, figures_of_logits
from kerasnets.files import write_csv, write_text
from kerasnets.runs.folder import run_folder
from kerasnets.runs.folds import (
    FIGURES,
    OUT_OF_FOLD,
    begin_folds,
    check_folds,
    config_of_fold,
    figures_of,
    is_run,
)
from kerasnets.runs.run import Run, load_data
from kerasnets.training.trainer import train

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        folder: Its folder.
        runs: The run of each fold.
        figures: Of each figure by name ``mean``, ``deviation`` and ``values``.
    """

    folder: pathlib.Path
    runs: tuple[Run, ...]
    figures: Mapping[str, Mapping[str, Any]]

    def __str__(self) -> str:
        found = [
            f"{name.replace('_', ' ')} {each['mean']:.4f} ± {each['deviation']:.4f}"
            for name, each in self.figures.items()
        ]
        return f"{len(self.runs)} folds, mean ± standard deviation: {', '.join(found)}"


def cross_validate(config: TrainConfig, *, resume: bool = False) -> CrossValidation:
    """Trains a run for each fold, and writes their figures and what they said out of fold.

    Folds that have ended are not trained again, and one that was begun goes on from its last
    checkpoint.

    Args:
        config: What to train, with `folds`; ``out`` is the folder of all runs.
        resume: Go on with the cross-validation in the folder.

    Returns:
        The finished cross-validation.

    Raises:
        UserError: When the configuration does not work.
        Interrupted: After Ctrl-C or SIGTERM; the state is saved.
    """
    config = config.resolved()
    folder = run_folder(config, resume)
    check_folds(config, folder, resume=resume)
    runs = []
    for fold in range(1, (config.folds or 0) + 1):
        own = config_of_fold(config, folder, fold)
        if fold == 1 and not resume:
            # Data that cannot be divided are refused before there is a folder.
            load_data(own)
            begin_folds(config, folder)
        log.info("fold %d of %d", fold, config.folds)
        runs.append(_trained(own, folder / f"fold-{fold}"))
    figures = figures_of(runs)
    write_text(folder / FIGURES, json.dumps(figures, indent=2) + "\n")
    _write_answers(folder / OUT_OF_FOLD, runs)
    return CrossValidation(folder, tuple(runs), figures)


def _trained(config: TrainConfig, folder: pathlib.Path) -> Run:
    """The finished run of a fold."""
    if not is_run(folder):
        return train(config)
    run = Run.load(folder)
    return run if run.finished and run.metrics() else train(config, resume=True)


def _write_answers(path: pathlib.Path, runs: list[Run]) -> None:
    """Writes what each run said of the images that it left out."""
    columns: tuple[str, ...] = ()

    def rows() -> Iterator[tuple[object, ...]]:
        nonlocal columns
        for run in runs:
            split = load_data(run.config).split("test")
            logits = logits_of_split(run.network(), split, run.preprocessing)
            figures = figures_of_logits(run.task, "test", logits, split, run.thresholds)
            columns, found = EVALUATIONS[run.task.name].answers(figures, logits, run.class_names)
            for index, row in enumerate(found):
                yield (run.config.fold, split.name(index), *row)

    found = list(rows())
    write_csv(path, ("fold", "image", *columns), found)
