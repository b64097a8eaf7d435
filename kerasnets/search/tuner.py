"""Trials of a study, one after the other, each trained as `kerasnets train` would."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import optuna

from kerasnets.errors import UserError
from kerasnets.files import make_folder
from kerasnets.runs.history import read_history
from kerasnets.runs.run import CONFIG, chosen_recipe, load_data
from kerasnets.search.study import REASON, Study
from kerasnets.tasks import TASKS
from kerasnets.training.callbacks import DivergedError, Interrupted
from kerasnets.training.trainer import train

if TYPE_CHECKING:
    from kerasnets.config.training import TrainConfig

log = logging.getLogger("kerasnets")


def metric_of(config: TrainConfig) -> str:
    """What trials are compared by: the task's figure of the validation, never the test split."""
    return f"val_{TASKS[config.task].measure}"


def tune(study: Study, trials: int, timeout: float | None = None) -> None:
    """Tries values until the study has enough trials, together with all other processes.

    Args:
        study: The study.
        trials: How many trials it is to have in all.
        timeout: Seconds after which no further trial begins; no limit by default.

    Raises:
        UserError: When there is no validation split, or a training does not work.
        Interrupted: After Ctrl-C or SIGTERM; the trial goes on when the study does.
    """
    if "validation" not in load_data(study.config).splits:
        raise UserError(
            "Trials are compared by a validation split; hold one out with "
            "--validation-fraction 0.1."
        )
    # It takes the graphs of networks after networks for mistakes.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    make_folder(study.folder / "trials")
    end = math.inf if timeout is None else time.monotonic() + timeout
    while time.monotonic() < end:
        with contextlib.ExitStack() as held:
            trial = study.begin(trials, held)
            if trial is None:
                return
            _try(study, trial)
        # The network lies in circles of references.
        keras.backend.clear_session()
        gc.collect()


def _try(study: Study, trial: optuna.Trial) -> None:
    """Trains what a trial asks for, and tells the study what came of it."""
    values = "  ".join(f"{name} {_short(value)}" for name, value in trial.params.items())
    log.info("trial %d: %s", trial.number, values)
    try:
        config = study.space.applied(study.config, trial.params)
    except UserError as error:
        # Values that do not go together; others may.
        _fail(study, trial, error)
        return
    try:
        study.optuna.tell(trial, _trained(study, trial, config))
    except optuna.TrialPruned:
        log.info("trial %d is pruned: behind the others at this epoch", trial.number)
        study.optuna.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except DivergedError as error:
        log.info("trial %d: %s", trial.number, error)
        trial.set_user_attr(REASON, str(error))
        # As the worst that there is: a failed trial would teach the sampler nothing.
        study.optuna.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except Interrupted:
        raise
    except Exception as error:
        # It would happen again if the trial were taken for one whose process was killed.
        _fail(study, trial, error)
        raise


def _fail(study: Study, trial: optuna.Trial, error: Exception) -> None:
    reason = " ".join(f"{error}".split())[:300] or type(error).__name__
    log.info("trial %d failed: %s", trial.number, reason)
    trial.set_user_attr(REASON, reason)
    study.optuna.tell(trial, state=optuna.trial.TrialState.FAIL)


def _trained(study: Study, trial: optuna.Trial, config: TrainConfig) -> float:
    """The figure of the validation that the run of a trial ends with."""
    metric = metric_of(config)
    folder = study.run_folder(trial.number, trial.user_attrs)
    begun = (folder / CONFIG).exists()
    for row in read_history(folder / "history.csv") if begun else ():
        trial.report(row[metric], int(row["epoch"]))
    report = _Report(trial, metric, chosen_recipe(config).epochs)
    run = train(dataclasses.replace(config, out=folder), resume=begun, callbacks=[report])
    return read_history(run.folder / "history.csv")[-1][metric]


class _Report(keras.callbacks.Callback):
    """Tells the study each epoch's validation, and ends a trial that is not worth it."""

    def __init__(self, trial: optuna.Trial, metric: str, epochs: int) -> None:
        super().__init__()
        self.trial = trial
        self.metric = metric
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> None:
        self.trial.report(float(logs[self.metric]), epoch + 1)
        # After the last epoch there is nothing to save.
        if epoch + 1 < self.epochs and self.trial.should_prune():
            raise optuna.TrialPruned


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
