"""What a study has found: a table, pictures, and the command that trains the best again."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasnets.config.command import train_command
from kerasnets.files import write_csv
from kerasnets.plotting import save_figure
from kerasnets.search.study import REASON, Study, is_killed
from kerasnets.tasks import TASKS

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("kerasnets")

TABLE, PARALLEL, IMPORTANCE = "trials.csv", "parallel.png", "importance.png"
# A link to the best run.
BEST = "best"
# Optuna's pictures need at least so many trials that were not pruned.
FEWEST = 2


def write_study(study: Study) -> list[pathlib.Path]:
    """Writes the table of the trials, the pictures, and a link to the best run.

    Returns:
        The files; without the pictures where too few trials came to their end.
    """
    names = list(study.space.parameters)
    table = study.folder / TABLE
    rows = [
        [*_cells(study, trial), *(trial.params.get(name, "") for name in names), _reason(trial)]
        for trial in study.trials
    ]
    write_csv(table, [*header(study), *names, "reason"], rows)
    complete = _ranked(study)
    if complete:
        _link(study.run_folder(complete[0].number, complete[0].user_attrs), study.folder / BEST)
    if len(complete) < FEWEST:
        return [table]
    from optuna.visualization import matplotlib as pictures

    drawn = [table, _drawn(study, pictures.plot_parallel_coordinate, PARALLEL)]
    # Where all are alike, nothing is important.
    if len({trial.value for trial in complete}) > 1:
        drawn.append(_drawn(study, pictures.plot_param_importances, IMPORTANCE))
    return drawn


def _link(run: pathlib.Path, link: pathlib.Path) -> None:
    """Makes a link to a run; where there are no links, there is none."""
    made = link.with_name(f".{link.name}-{os.getpid()}")
    with contextlib.suppress(OSError, NotImplementedError):
        made.symlink_to(run.relative_to(link.parent), target_is_directory=True)
        made.replace(link)


def header(study: Study) -> tuple[str, ...]:
    """The names of what is told of each trial; its figure is that of the task's validation."""
    return "trial", "state", TASKS[study.config.task].measured, "epochs", "seconds", "run"


def leaders(study: Study, most: int = 5) -> list[tuple[object, ...]]:
    """The best trials that came to their end, as `header` names their cells, the best first."""
    return [_cells(study, trial) for trial in _ranked(study)[:most]]


def best_command(study: Study) -> str:
    """The command that trains the best trial again, in a new run folder.

    The study has a trial that came to its end.
    """
    return train_command(study.space.applied(study.config, _ranked(study)[0].params))


def _ranked(study: Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that came to their end, the best first, of equals the earlier."""
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    return sorted(complete, key=lambda trial: (-(trial.value or 0), trial.number))


def _cells(study: Study, trial: optuna.trial.FrozenTrial) -> tuple[object, ...]:
    state = trial.state.name.lower()
    duration = trial.duration
    value = trial.value if trial.value is not None else _last(trial)
    return (
        trial.number,
        "killed" if is_killed(trial.state.name, trial.user_attrs) else state,
        "" if value is None else f"{value:.4f}",
        max(trial.intermediate_values, default=0),
        "" if duration is None else f"{duration.total_seconds():.1f}",
        str(study.run_folder(trial.number, trial.user_attrs)),
    )


def _last(trial: optuna.trial.FrozenTrial) -> float | None:
    """The figure of the last epoch that a trial has reported."""
    values = trial.intermediate_values
    return values[max(values)] if values else None


def _reason(trial: optuna.trial.FrozenTrial) -> str:
    return str(trial.user_attrs.get(REASON, ""))


def _drawn(study: Study, draw: Callable[..., Any], name: str) -> pathlib.Path:
    with warnings.catch_warnings():
        # Its pictures are "experimental": their interface may change.
        warnings.simplefilter("ignore")
        measured = TASKS[study.config.task].measured
        figure = draw(study.optuna, target_name=f"validation {measured}").figure
        figure.set_layout_engine("tight")
        save_figure(figure, study.folder / name)
    return study.folder / name
