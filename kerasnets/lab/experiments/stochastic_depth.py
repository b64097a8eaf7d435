"""Dropping residual blocks in training makes it faster and the network better.

Claim: A residual network whose blocks are dropped at random in training, the last with
    probability one half, trains faster and errs less on new images than the same at full depth.
Source: Huang, Sun, Liu, Sedra, Weinberger 2016, arXiv 1603.09382, section 4, tables 1 and 2.
Published: CIFAR-10 test error of ResNet-110 6.41 % at full depth, 5.25 % with stochastic depth;
    training takes about a quarter less time.
Expected: An epoch in less than 0.9 of the time, and a test error lower by a point or more.
Simplifications: The blocks are dropped image by image (`drop_path_rate`), not batch by batch, and
    what is dropped is computed all the same, here and in `resnet110_sd_cifar`. The claim on time
    is about work that is skipped, and this implementation skips none: that it fails says nothing
    against the paper. 20 layers at half of their width, on 30 images of each digit of
    scikit-learn, 8x8, in 30 epochs; the paper has 110 layers and 500 epochs. Seconds are those of
    the processor, in the median epoch without the first. Three seeds of this scale are too few to
    decide on the test error.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR, TRAINING_ERROR
from kerasnets.lab.networks import registered
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

SECONDS = "processor seconds of an epoch"


def measure(trial: Trial) -> Measured:
    """Seconds of an epoch, and the errors."""
    import statistics
    import time

    times: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: times.append(-time.process_time()),
        on_epoch_end=lambda *_: times.append(times.pop() + time.process_time()),
    )
    found = trial.fit(
        registered("resnet20_cifar", width=0.5, drop_path_rate=trial.variant),
        callbacks=[clock],
    ).errors()
    seconds = statistics.median(times[1:] or times)
    return Measured({SECONDS: seconds, **found.values}, found.curves)


EXPERIMENT = Experiment(
    group="architecture",
    variants={"full depth": 0.0, "stochastic depth": 0.5},
    measure=measure,
    claims=(
        # The paper's is 0.75, and its gain 1.2 points.
        Claim(measure=SECONDS, of="stochastic depth", minus="full depth", below=0.9, ratio=True),
        Claim(measure=TEST_ERROR, of="stochastic depth", minus="full depth", below=-1),
    ),
    plot=Bars((TEST_ERROR, TRAINING_ERROR, SECONDS)),
    small=Scale(images={"each_class": 30}, minutes=2, recipe={"epochs": 30, "batch_size": 32}),
)
