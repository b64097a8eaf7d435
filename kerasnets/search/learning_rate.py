"""The test of learning rates: one short training at a rising rate shows which rates learn.

Source: Smith 2017, arXiv 1506.01186, section 3.3, the LR range test. As usual since, the rate
rises in factors, and the loss is watched.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError
from kerasnets.plotting import plain_log_ticks, save_figure
from kerasnets.runs.run import chosen_recipe
from kerasnets.training.callbacks import Logs
from kerasnets.training.steps import StepLosses, train_steps

# How far the test goes from the recipe's rate, in factors, and its steps.
BELOW, ABOVE = 1e-4, 1e2
STEPS = 200
# The test ends where the loss is so many times its lowest.
ENOUGH = 4.0


@dataclass(frozen=True)
class RangeTest:
    """What the test has measured.

    Attributes:
        rates: Rate of each step, rising: that of the step's own batch size.
        losses: Loss of each step.
        scale: What the recipe calls its rate, by that of the step; 1 for its base batch size.
    """

    rates: np.ndarray
    losses: np.ndarray
    scale: float = 1.0

    @property
    def smooth(self) -> np.ndarray:
        """The losses with their neighbours' noise averaged out, as many as there are steps."""
        return gaussian_filter1d(self.losses, sigma=max(1.0, len(self.losses) / 40), mode="nearest")

    @property
    def lowest(self) -> float:
        """The rate at which the loss is lowest; beyond it the training grows unstable."""
        return float(self.rates[np.argmin(self.smooth)])

    @property
    def steepest(self) -> float:
        """The rate at which the loss falls fastest on its way to its lowest.

        Raises:
            UserError: When the loss falls nowhere.
        """
        smooth = self.smooth
        end = int(np.argmin(smooth))
        if smooth[end] > 0.98 * smooth[0] or end < 3:
            raise UserError(
                "The loss falls at no rate of the test; the recipe or the data keep the network "
                "from learning."
            )
        # The steps are evenly spaced in the logarithm of the rate.
        steepest = int(np.argmin(np.gradient(smooth[: end + 1])))
        return float(self.rates[steepest])

    @property
    def suggested(self) -> float:
        """The rate halfway, in factors, from the steepest to the lowest, as a recipe has it.

        The highest rate of a schedule may be higher than one that stays, which the steepest is
        for, and lower than where the training grows unstable.

        Raises:
            UserError: When the loss falls nowhere.
        """
        return math.sqrt(self.steepest * self.lowest) * self.scale

    def save(self, path: str | os.PathLike) -> None:
        """Draws the loss over the rate, with the rate that is suggested."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import LogLocator

        figure = Figure(figsize=(8, 4.5), layout="constrained")
        figure.suptitle(f"{len(self.rates)} steps, each at a higher learning rate", fontsize=10)
        axis = figure.subplots()
        rates = self.rates * self.scale
        axis.plot(rates, self.losses, ".", alpha=0.3, label="each step")
        axis.plot(rates, self.smooth, label="smoothed")
        for name, rate, style in (
            ("falls fastest", self.steepest * self.scale, "--"),
            ("suggested", self.suggested, "-"),
            ("lowest", self.lowest * self.scale, "--"),
        ):
            axis.axvline(
                rate, color="C2" if style == "-" else "C7", ls=style, label=f"{name}: {rate:.2g}"
            )
        axis.set(xscale="log", xlabel="learning rate", ylabel="loss")
        axis.set_ylim(0, 1.3 * max(self.smooth[: max(1, len(rates) // 2)]))
        plain_log_ticks(axis.xaxis)
        # It spans six decades, which leave room for a number each.
        axis.xaxis.set_major_locator(LogLocator())
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
        save_figure(figure, path)


def find_learning_rate(config: TrainConfig, steps: int = STEPS) -> RangeTest:
    """Trains a network for some steps, each at a higher rate than the one before.

    From a ten-thousandth of the recipe's rate to a hundred times of it, or to where the loss has
    left its lowest far behind. Nothing is kept of the training.

    Args:
        config: What to train. Warm-up, schedule and averages of its recipe do not count.
        steps: Steps on the way.

    Raises:
        UserError: When the configuration does not work.
    """
    config = config.resolved()
    own = chosen_recipe(config)
    if not own.peak_learning_rate:
        raise UserError("The test starts from the recipe's rate, which must be above 0.")
    # The plateau schedule alone has a rate that can be set.
    recipe = dataclasses.replace(own, schedule="plateau", warmup_epochs=0.0, ema=0.0)
    peak = recipe.peak_learning_rate
    rates = np.geomspace(BELOW * peak, ABOVE * peak, steps)
    rising = _RisingRate(rates)
    train_steps(dataclasses.replace(config, recipe=recipe), steps, rising)
    losses = np.array(rising.losses)
    return RangeTest(rates[: len(losses)], losses, recipe.learning_rate / peak)


class _RisingRate(StepLosses):
    """Sets the rate of each step, to where the loss runs away."""

    def __init__(self, rates: Sequence[float] | np.ndarray) -> None:
        super().__init__()
        self.rates = rates

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self.model.optimizer.learning_rate = self.rates[batch]
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        super().on_train_batch_end(batch, logs)
        if self.model.stop_training:
            return
        # Single steps jump.
        recent, lowest = np.median(self.losses[-5:]), np.min(self.losses)
        self.model.stop_training = len(self.losses) > 10 and recent > ENOUGH * max(lowest, 0.1)
