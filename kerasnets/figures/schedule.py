"""The learning rate and the momentum over the steps of a recipe, without training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasnets.config.recipe_fields import Recipe
from kerasnets.errors import UserError
from kerasnets.figures.view import BLUE, ORANGE, View, new_figure
from kerasnets.plotting import plain_log_ticks
from kerasnets.training.schedules import RecipeSchedule

STEPS_PER_EPOCH = 100


def schedule(recipe: Recipe, steps_per_epoch: int = STEPS_PER_EPOCH) -> View:
    """What a recipe's optimizer will use at each step.

    The plateau schedule is drawn without its plateaus: when it multiplies by ``decay_rate``, the
    validation decides.

    Args:
        recipe: The recipe.
        steps_per_epoch: Updates in an epoch: the training images over the batch size.

    Returns:
        A view of ``learning_rate`` and ``momentum`` (steps,) float32; for Adam and AdamW the latter
        is the decay of the gradients' average.

    Raises:
        UserError: When `steps_per_epoch` is below 1.
    """
    if steps_per_epoch < 1:
        raise UserError(f"steps_per_epoch must be at least 1. Received: {steps_per_epoch}.")
    steps: Any = np.arange(recipe.epochs * steps_per_epoch)
    made = RecipeSchedule(recipe, steps_per_epoch)(steps)
    # A constant schedule gives one number for each step too.
    rates = np.broadcast_to(keras.ops.convert_to_numpy(made), steps.shape)
    adam = recipe.optimizer in ("adam", "adamw")
    # No recipe cycles it; Keras' Adam has 0.9.
    momentum = np.full(steps.shape, 0.9 if adam else recipe.momentum, np.float32)
    arrays = {"learning_rate": rates, "momentum": momentum}
    table = {
        "step": steps.tolist(),
        "epoch": (steps / steps_per_epoch).round(6).tolist(),
        "learning_rate": rates.tolist(),
        "momentum": momentum.tolist(),
    }
    return View(arrays, _drawn(recipe, steps / steps_per_epoch, arrays), table)


def _drawn(recipe: Recipe, epochs: np.ndarray, arrays: dict[str, np.ndarray]) -> Any:
    title = f"{recipe.name}: {recipe.optimizer}, batch {recipe.batch_size}, {recipe.epochs} epochs"
    figure = new_figure(8, 4.6, title)
    rates = arrays["learning_rate"]
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    positive = rates[rates > 0]
    # A scale by factors, where the rate falls by more than some; one that ends at zero has none.
    by_factors = len(positive) and positive.max() > 20 * positive.min() and recipe.schedule in (
        "step", "exponential", "plateau",
    )  # fmt: skip
    upper.plot(epochs, rates, color=BLUE, lw=1.6)
    if by_factors:
        upper.set_yscale("log")
        plain_log_ticks(upper.yaxis)
    else:
        upper.set_ylim(bottom=0)
    upper.set_ylabel("learning rate")
    upper.set_title(_words(recipe), fontsize=9)
    lower.plot(epochs, arrays["momentum"], color=ORANGE, lw=1.6)
    lower.set(xlabel="epoch", ylim=(0, 1.05))
    lower.set_ylabel("beta 1" if recipe.optimizer in ("adam", "adamw") else "momentum")
    for axes in (upper, lower):
        axes.grid(color="0.9")
        axes.margins(x=0.01)
    return figure


def _words(recipe: Recipe) -> str:
    words = f"schedule {recipe.schedule.replace('_', ' ')}"
    if recipe.warmup_epochs:
        words += f", warm-up {recipe.warmup_epochs:g} epochs"
    if recipe.schedule == "plateau":
        words += (
            f"; where the validation accuracy has not risen for {recipe.patience} epochs, the rate "
            f"is multiplied by {recipe.decay_rate:g}"
        )
    return words
