"""What depends on the validation: plateaus, early stopping, and the averaged weights' turn."""

from __future__ import annotations

import logging
from collections.abc import Collection

from kerasnets.config.recipe_fields import Recipe
from kerasnets.errors import UserError
from kerasnets.training.callbacks import Callback, Logs
from kerasnets.training.model import TrainingModel
from kerasnets.training.schedules import plateau_factor, stalled_epochs

log = logging.getLogger("kerasnets")


def check_validation(recipe: Recipe, splits: Collection[str]) -> None:
    """Raises a `UserError` where the recipe needs a validation split and there is none."""
    if recipe.watches_validation and "validation" not in splits:
        needs = "schedule plateau" if recipe.schedule == "plateau" else "early_stopping"
        raise UserError(
            f"{needs} needs a validation split; hold one out with --validation-fraction 0.1."
        )


def has_stopped(recipe: Recipe, measured: list[float], since: int = 0) -> bool:
    """Whether early stopping ends the training after these epochs.

    Args:
        recipe: Recipe of the run.
        measured: Figure of the validation after each epoch so far.
        since: Number of the first of them that do not count: those before the last extension.
    """
    stalled = min(stalled_epochs(measured), len(measured) - since)
    return 0 < recipe.early_stopping <= stalled


class WatchValidation(Callback):
    """Lowers the learning rate on a plateau and stops early.

    Both follow from the figures of the validation so far alone, so a resumed run goes
    on as an uninterrupted one would.

    Args:
        recipe: Recipe of the run.
        measured: Figure of the validation after each epoch of an earlier part of the run.
        since: As for `has_stopped`.
    """

    def __init__(self, recipe: Recipe, measured: list[float], since: int = 0) -> None:
        super().__init__()
        self.since = since
        self.recipe = recipe
        self.measured = list(measured)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if not self.recipe.watches_validation:
            return
        self.measured.append(float(logs[f"val_{self.model.measure.name}"]))
        if self.recipe.schedule == "plateau":
            factor = plateau_factor(self.recipe, self.measured)
            self.model.optimizer.learning_rate = self.recipe.peak_learning_rate * factor
        if has_stopped(self.recipe, self.measured, self.since):
            log.info("stopping: no better validation for %d epochs", self.recipe.early_stopping)
            self.model.stop_training = True


class MeasureAverages(Callback):
    """Validates the averaged weights where the recipe has any; training goes on with its own."""

    model: TrainingModel

    def on_test_begin(self, logs: dict | None = None) -> None:
        self.averaged = self.model.averaged()
        self.averaged.__enter__()

    def on_test_end(self, logs: dict | None = None) -> None:
        self.averaged.__exit__(None, None, None)
