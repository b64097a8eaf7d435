"""What several experiments measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasnets.lab.cells import Measured

if TYPE_CHECKING:
    from kerasnets.runs.run import Run

TRAINING_ERROR = "training error, %"
TEST_ERROR = "test error, %"
GAP = "test minus training error, points"


def errors(run: Run) -> Measured:
    """Training error by epoch, the last epoch's, that of the held-out images, and their gap.

    The training error is that of the steps of an epoch, as papers draw it: in training mode, on
    augmented images, while the weights change.
    """
    curve = training_error(run)
    test = 100 * (1 - float(run.metrics()["top1"]))  # pyright: ignore[reportArgumentType]
    last = curve[1][-1]
    return Measured(
        {TRAINING_ERROR: last, TEST_ERROR: test, GAP: test - last}, {TRAINING_ERROR: curve}
    )


def training_error(run: Run) -> tuple[list[float], list[float]]:
    """Epochs, and the training error of each in per cent."""
    history = run.history()
    return list(history["epoch"]), [100 * (1 - each) for each in history["accuracy"]]
