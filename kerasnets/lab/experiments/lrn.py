"""Response normalisation brings nothing, and costs time and memory.

Claim: Local response normalisation does not lower the error of a VGG network, and makes a step
    slower and larger.
Source: Simonyan, Zisserman 2014, arXiv 1409.1556, sections 2.1 and 4.1, table 3.
Published: Top-1 error on ImageNet of A 29.6 %, of A-LRN 29.7 %.
Expected: An error that is not lower by a point or more; more time and bytes for a step, by a
    twentieth or more.
Simplifications: Digits of scikit-learn, enlarged to 32x32; an eighth of the width, so that the
    layer takes more of the whole time than in the paper; 8 epochs of Adam. Pixels have a
    deviation of 58 levels, like the paper's: of standardised pixels the layer would do no more
    than multiply all maps by 0.59. Time is that of the fastest step, which other work on the
    machine disturbs least, and yet does; bytes are those of the layers' outputs, without what the
    layer keeps inside. Errors near 2 % leave little to win, and five seeds do not tell a point.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

MILLISECONDS = "milliseconds of a step"
KILOBYTES = "kilobytes of activations of an image"
PLAIN, NORMALISED = "A", "A-LRN"
SIDE, WIDTH, DEVIATION = 32, 0.125, 58


def measure(trial: Trial) -> Measured:
    """Errors, the fastest step of the training, and bytes of all layers' outputs."""
    import time

    from kerasnets.inspection.memory import activation_bytes
    from kerasnets.lab.images import Images, Sets
    from kerasnets.lab.networks import registered

    standardised = trial.sets()
    sets = Sets(*(Images(each.x * DEVIATION, each.y) for each in standardised))
    times: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda step, logs: times.append(-time.perf_counter()),
        on_train_batch_end=lambda step, logs: times.append(time.perf_counter() + times.pop()),
    )
    fitted = trial.fit(registered(trial.variant, width=WIDTH), sets=sets, callbacks=[clock])
    found = fitted.errors()
    costs = {
        MILLISECONDS: 1e3 * min(times),
        KILOBYTES: activation_bytes(fitted.network, kept=True) / 1e3,
    }
    return Measured({**found.values, **costs}, found.curves)


EXPERIMENT = Experiment(
    group="training",
    variants={PLAIN: "vgg11", NORMALISED: "vgg11_lrn"},
    measure=measure,
    claims=(
        # A point is 4 or 5 of the 450 test images; a twentieth is what one would notice.
        Claim(measure=TEST_ERROR, of=NORMALISED, minus=PLAIN, above=-1),
        Claim(measure=MILLISECONDS, of=NORMALISED, minus=PLAIN, above=1.05, ratio=True),
        Claim(measure=KILOBYTES, of=NORMALISED, minus=PLAIN, above=1.05, ratio=True),
    ),
    plot=Bars((TEST_ERROR, MILLISECONDS)),
    small=Scale(
        images={"side": SIDE},
        minutes=3,
        recipe={"epochs": 8, "batch_size": 32, "learning_rate": 1e-3, "optimizer": "adam"},
        seeds=5,
    ),
)
