"""The learning rate by step."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
from keras import ops

from kerasnets.config.recipe_fields import Recipe

# Smith, Topin 2017, arXiv 1708.07120, with the fractions that fastai and PyTorch settled on.
ONE_CYCLE_CLIMB = 0.3
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1 / 250_000


@keras.saving.register_keras_serializable(package="kerasnets")
class RecipeSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A recipe's learning rate by step: its warm-up, then its schedule.

    Milestones and the exponential staircase count from the first step, the cosine and the
    polynomial from the end of the warm-up. The plateau schedule is constant here: its factor is
    found epoch by epoch, see `plateau_factor`.

    Args:
        recipe: The recipe to follow.
        steps_per_epoch: Updates in an epoch.
    """

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step: int | keras.KerasTensor) -> keras.KerasTensor:
        recipe = self.recipe
        step = ops.cast(step, "float32")
        rate = recipe.peak_learning_rate * self._factor(step)
        warmup = round(recipe.warmup_epochs * self.steps_per_epoch)
        if not warmup:
            return rate
        start = recipe.warmup_from
        climb = start + (1 - start) * (step + 1) / warmup if recipe.warmup == "linear" else start
        return ops.where(step < warmup, recipe.peak_learning_rate * climb, rate)

    def _factor(self, step: Any) -> keras.KerasTensor:
        """The factor of the highest rate, without the warm-up."""
        recipe = self.recipe
        if recipe.schedule == "step":
            total = recipe.epochs * self.steps_per_epoch
            passed = sum(
                ops.cast(step >= round(fraction * total), "float32")
                for fraction in recipe.milestones
            )
            return ops.power(recipe.decay_rate, passed)
        if recipe.schedule == "exponential":
            every = max(1, round(recipe.decay_epochs * self.steps_per_epoch))
            return ops.power(recipe.decay_rate, ops.floor(step / every))
        if recipe.schedule == "polynomial":
            return ops.power(1 - self._progress(step), recipe.decay_power)
        if recipe.schedule == "cosine":
            return (1 + ops.cos(math.pi * self._progress(step))) / 2
        if recipe.schedule == "one_cycle":
            return _one_cycle(self._progress(step))
        return ops.ones_like(step)

    def _progress(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """The fraction of the steps after the warm-up that are done, in [0, 1]."""
        warmup = round(self.recipe.warmup_epochs * self.steps_per_epoch)
        steps = max(1, self.recipe.epochs * self.steps_per_epoch - warmup)
        return ops.clip((step - warmup) / steps, 0.0, 1.0)

    def get_config(self) -> dict:
        return {
            "recipe": dataclasses.asdict(self.recipe),
            "steps_per_epoch": self.steps_per_epoch,
        }

    @classmethod
    def from_config(cls, config: dict) -> RecipeSchedule:
        values = {**config["recipe"], "milestones": tuple(config["recipe"]["milestones"])}
        return cls(Recipe(**values), config["steps_per_epoch"])


def _one_cycle(progress: keras.KerasTensor) -> keras.KerasTensor:
    """Half a cosine up, half a cosine down to next to nothing; momentum is not cycled."""
    up = progress / ONE_CYCLE_CLIMB
    down = (progress - ONE_CYCLE_CLIMB) / (1 - ONE_CYCLE_CLIMB)
    climb = ONE_CYCLE_START + (1 - ONE_CYCLE_START) * (1 - ops.cos(math.pi * up)) / 2
    descent = ONE_CYCLE_END + (1 - ONE_CYCLE_END) * (1 + ops.cos(math.pi * down)) / 2
    return ops.where(progress < ONE_CYCLE_CLIMB, climb, descent)


def plateau_factor(recipe: Recipe, accuracies: list[float]) -> float:
    """The plateau schedule's factor of the learning rate after these epochs.

    Args:
        recipe: Its `patience`, `plateaus` and `decay_rate` count.
        accuracies: Accuracies of the validation, or other figures of which more is better, one
            for each epoch so far.
    """
    best, stalled, passed = -math.inf, 0, 0
    for accuracy in accuracies:
        stalled += 1
        if accuracy > best:
            best, stalled = accuracy, 0
        elif stalled >= recipe.patience and passed < recipe.plateaus:
            passed, stalled = passed + 1, 0
    return recipe.decay_rate**passed


def stalled_epochs(accuracies: list[float]) -> int:
    """Epochs since the best one."""
    if not accuracies:
        return 0
    return len(accuracies) - 1 - accuracies.index(max(accuracies))
