"""Rectified units that are always off never learn again; leaky ones do.

Claim: At a large rate many ReLU units become negative for every image and stay so, as no gradient
    reaches them; with a slope for negative inputs, fixed, learnt (PReLU) or random (RReLU), units
    come back.
Source: Xu, Wang, Chen, Li 2015, arXiv 1505.00853; He, Zhang, Ren, Sun 2015, arXiv 1502.01852, for
    PReLU.
Expected: 10 points more units off at the largest rate than at the smallest, and 10 points fewer
    with each of the slopes; of ReLU units that are off, less than a fifth is on an epoch later.
Simplifications: A dense network of four layers with 100 units on the digits of scikit-learn; 10
    epochs of Adam at a constant rate, since plain descent at its largest rates loses the whole
    network, of each activation. A unit is off when its input is negative for all training images.
    In the layers above the first a unit may come back since the layers below it still learn.
"""

from __future__ import annotations

import itertools
from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

OFF = "units off for all training images, %"
BACK = "off units that are on an epoch later, %"
SMALL, MIDDLE, LARGE = 0.001, 0.01, 0.03
LAYERS = [f"layer{number}" for number in range(4)]

# Activation, rate.
VARIANTS = {
    **{f"ReLU, rate {rate}": ("relu", rate) for rate in (SMALL, MIDDLE, LARGE)},
    f"leaky, rate {LARGE}": ("leaky", LARGE),
    f"PReLU, rate {LARGE}": ("prelu", LARGE),
    f"RReLU, rate {LARGE}": ("rrelu", LARGE),
}


def activation(name: str) -> keras.layers.Layer:
    """The layer; slopes for negative inputs are 0.25 at first, as PReLU's authors have it."""
    from kerasnets.layers import RandomizedReLU

    slope: Any = keras.initializers.Constant(0.25)
    leaky = {"leaky": keras.layers.LeakyReLU(0.25), "prelu": keras.layers.PReLU(slope)}
    return {"relu": keras.layers.ReLU(), "rrelu": RandomizedReLU(), **leaky}[name]


def measure(trial: Trial) -> Measured:
    """Share of units that are off after each epoch, and of those that come back."""
    import numpy as np

    sets, (name, rate) = trial.sets(), trial.variant
    epochs: list[np.ndarray] = []

    def build(shape, classes):
        images = keras.Input(shape)
        x = keras.layers.Flatten()(images)
        for layer in LAYERS:
            x = keras.layers.Dense(100, kernel_initializer="he_normal", name=layer)(x)
            x = activation(name)(x)
        return keras.Model(images, keras.layers.Dense(classes)(x))

    def look(epoch: int, logs: dict[str, float]) -> None:
        model: keras.Model = watch.model  # pyright: ignore[reportAssignmentType]
        layers = [model.get_layer(layer).output for layer in LAYERS]
        inputs = keras.Model(model.input, layers)(sets.train.x)
        epochs.append(np.logical_not(np.max(np.concatenate(inputs, axis=-1), axis=0) > 0))

    watch = keras.callbacks.LambdaCallback(on_epoch_end=look)
    fitted = trial.fit(build, sets=sets, learning_rate=rate, callbacks=[watch])
    off = sum(own.sum() for own in epochs[:-1])
    back = sum((own & ~later).sum() for own, later in itertools.pairwise(epochs))
    share = [100 * own.mean() for own in epochs]
    values = {OFF: share[-1], BACK: 100 * back / max(off, 1)}
    values[TEST_ERROR] = fitted.error(sets.test)
    return Measured(values, {OFF: (range(1, len(share) + 1), share)})


RELU = f"ReLU, rate {LARGE}"
LEAKY = [name for name in VARIANTS if not name.startswith("ReLU")]
EXPERIMENT = Experiment(
    group="training",
    variants=VARIANTS,
    measure=measure,
    claims=(
        # A tenth of the network.
        Claim(measure=OFF, of=RELU, minus=f"ReLU, rate {SMALL}", above=10),
        *(Claim(measure=OFF, of=name, minus=RELU, below=-10) for name in LEAKY),
        Claim(measure=BACK, of=RELU, below=20),
    ),
    plot=Curves(OFF, x="epoch"),
    small=Scale(minutes=1.5, recipe={"epochs": 10, "optimizer": "adam", "schedule": "constant"}),
)
