"""Residual blocks that begin at zero change nothing, and then learn.

Claim: A deeper residual network contains the shallower one: new blocks whose last batch norm
    starts with gamma 0 leave a trained network's answers as they are, and trained further it has
    no higher training error than the shallower network trained as long.
Source: He, Zhang, Ren, Sun 2015, arXiv 1512.03385, section 1 (the constructed solution); Goyal et
    al. 2017, arXiv 1706.02677, section 5.1 (gamma 0).
Expected: No logit changes by more than the rounding of float32; with new blocks that begin at
    random the logits change by more than 1. After the same further epochs the error is above the
    shallower network's by less than a point.
Simplifications: The digits of scikit-learn, 8x8; 3 blocks of 16 filters at one size, and 3 new ones
    behind them; 6 epochs, then 4 more. The papers construct nothing after training: He et al.
    argue with such a network, Goyal et al. start a whole network this way. At the end both
    networks know all training images, so the last claim says that the new blocks do no harm, not
    that they help.
"""

from __future__ import annotations

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TRAINING_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

CHANGE = "largest change of a logit"
AFTER = "training error after further epochs, %"
BLOCKS = 3

SHALLOW = "no new blocks"
ZERO = "new blocks that begin at zero"
RANDOM = "new blocks that begin at random"


def network(shape: tuple[int, int, int], classes: int, blocks: list[str]) -> keras.Model:
    """A residual network; of each block it is given how its last gamma begins."""
    layers = keras.layers

    def convolved(x: keras.KerasTensor, gamma: str) -> keras.KerasTensor:
        x = layers.Conv2D(16, 3, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, gamma_initializer=gamma)(x)

    image = keras.Input(shape)
    x = layers.ReLU()(convolved(image, "ones"))
    for gamma in blocks:
        y = layers.ReLU()(convolved(x, "ones"))
        x = layers.ReLU()(layers.Add()([x, convolved(y, gamma)]))
    return keras.Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def measure(trial: Trial) -> Measured:
    """Trains the shallow network, puts the new blocks behind its own, trains the result further."""
    import numpy as np

    from kerasnets.lab.fitting import predict

    old = trial.fit(lambda shape, classes: network(shape, classes, ["ones"] * BLOCKS), epochs=6)
    images = old.sets.train.x
    logits = []

    def deeper(shape: tuple[int, int, int], classes: int) -> keras.Model:
        new = network(shape, classes, ["ones"] * BLOCKS + trial.variant)
        own = [each for each in new.layers if each.weights]
        before = [each for each in old.network.layers if each.weights]
        for one, other in zip(own[: len(before) - 1] + own[-1:], before, strict=True):
            one.set_weights(other.get_weights())
        logits.append(predict(new, images))
        return new

    fitted = trial.fit(deeper, epochs=4)
    change = np.abs(logits[0] - predict(old.network, images)).max()
    return Measured(
        {
            CHANGE: float(change),
            TRAINING_ERROR: old.error(old.sets.train),
            AFTER: fitted.error(old.sets.train),
        }
    )


EXPERIMENT = Experiment(
    group="architecture",
    variants={SHALLOW: [], ZERO: ["zeros"] * BLOCKS, RANDOM: ["ones"] * BLOCKS},
    measure=measure,
    claims=(
        Claim(measure=CHANGE, of=ZERO, below=1e-4),
        Claim(measure=CHANGE, of=RANDOM, above=1),
        Claim(measure=AFTER, of=ZERO, minus=SHALLOW, below=1),
    ),
    plot=Bars((CHANGE, AFTER)),
    small=Scale(minutes=2.5),
)
