"""A very deep residual network needs a smaller rate at first.

Claim: At the rate that is right for shallower residual networks one of 110 layers is slow to
    converge at first; a tenth of it, until the network errs less than by chance, cures that.
Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 4.2.
Published: A rate of 0.1 is slightly too large for ResNet-110 to start converging; it is 0.01 until
    the training error is below 80 %, about 400 steps, and 0.1 from there on.
Expected: In the fourth epoch the training error without the smaller rate is 5 points higher or
    more.
Simplifications: ResNet-56 in the place of ResNet-110, with a quarter of the maps; the digits of
    scikit-learn, 8x8, so that stages have sides 8, 4 and 2; 64 images in a step in the place of
    128; no augmentation; 4 epochs at the constant rate 0.1, since it is the start that is in
    question. The smaller rate ends where the error of two steps, 128 images, is below 80 %. What
    it does for the end of a long training is not asked, and 56 layers do not speak for 110.
"""

from __future__ import annotations

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TRAINING_ERROR, Steps
from kerasnets.lab.networks import registered
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

WARM = "steps at the smaller rate"
RATE = 0.1

# What the rate is divided by until the error is below 80 %.
VARIANTS = {"without warm-up": 1, "with warm-up": 10}


def measure(trial: Trial) -> Measured:
    """Training error of the last epoch and by step, and how many steps had the smaller rate."""
    steps = Steps(window=2)

    def warm(batch: int, logs: dict[str, float]) -> None:
        errors = steps.curve[1]
        if errors and errors[-1] < 80:
            rate.model.optimizer.learning_rate = RATE  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]

    rate = keras.callbacks.LambdaCallback(on_train_batch_end=warm)
    fitted = trial.fit(
        registered("resnet56_cifar", width=0.25),
        learning_rate=RATE / trial.variant,
        callbacks=[steps.callback, rate],
    )
    last = 100 * (1 - fitted.history["accuracy"][-1])
    warmed = steps.until(80) if trial.variant > 1 else 0
    return Measured({TRAINING_ERROR: last, WARM: warmed}, {TRAINING_ERROR: steps.curve})


EXPERIMENT = Experiment(
    group="training",
    variants=VARIANTS,
    measure=measure,
    claims=(
        # What a reader sees in the curves.
        Claim(measure=TRAINING_ERROR, of="without warm-up", minus="with warm-up", above=5),
    ),
    plot=Curves(TRAINING_ERROR, x="step of 64 images"),
    small=Scale(minutes=4, recipe={"epochs": 4, "schedule": "constant"}),
)
