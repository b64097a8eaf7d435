"""The gradient of a residual network comes from its short paths.

Claim: A residual network of n blocks is a sum of 2^n paths, of which a block is a part or not. The
    longer a path, the smaller the gradient that it carries; most of the gradient comes from the
    short ones, though most paths go through half of the blocks.
Source: Veit, Wilber, Belongie 2016, arXiv 1605.06431, section 5, figure 6.
Expected: More than 75 % of the gradient from paths through fewer than half of the blocks. It would
    be 50 %, the fraction of such paths, if all carried the same.
Simplifications: The digits of scikit-learn, 8x8; 15 blocks, half of the width, where the paper has
    54 on CIFAR-10. As in the paper, forward the network is whole; backward, each image has one
    random path of a length, through the residual in some blocks and the shortcut in the others,
    and the norms of these gradients are multiplied by the number of paths. So directions, in which
    gradients of paths might cancel, are left out, as is that ReLUs behind the additions are on all
    paths. The gradient is that of the true class's answer, so that it is not small where the
    network is sure.
"""

from __future__ import annotations

import math
from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

SHARE = "from paths through fewer than half of the blocks, %"
LENGTH = "mean length, blocks"
BY_LENGTH = "fraction from paths of a length, %"
BLOCKS = 15
GRADIENT, NUMBER = "gradient", "number of paths, as if all carried the same"


def measure(trial: Trial) -> Measured:
    """How the gradient, or the paths alone, are spread over the lengths of paths."""
    import numpy as np

    from kerasnets.lab.networks import registered

    lengths = np.arange(BLOCKS + 1)
    amounts = np.array([math.comb(BLOCKS, length) for length in lengths], float)
    if trial.variant == GRADIENT:
        fitted = trial.fit(registered(f"resnet{2 * BLOCKS + 2}_cifar", width=0.5))
        random = np.random.default_rng(trial.seed)
        images, labels = fitted.sets.test
        for length in lengths:
            path = np.tile(lengths[:BLOCKS] < length, (len(images), 1))
            amounts[length] *= gradient(
                fitted.network, images, labels, random.permuted(path, axis=1).astype("float32")
            )
    fractions = 100 * amounts / amounts.sum()
    values = {
        SHARE: fractions[2 * lengths < BLOCKS].sum(),
        LENGTH: (fractions * lengths).sum() / 100,
    }
    return Measured(values, {BY_LENGTH: (lengths.tolist(), fractions.tolist())})


def gradient(network: keras.Model, images: Any, labels: Any, path: Any) -> float:
    """The mean norm of the gradient by an image, along its path: 1 for each block that is on it."""
    import numpy as np
    import tensorflow as tf

    from kerasnets.explanation.graph import run_through
    from kerasnets.layers import ResidualAdd

    blocks = iter(range(BLOCKS))

    def call(operation: Any, *inputs: Any, **options: Any) -> Any:
        if not isinstance(operation, ResidualAdd):
            return operation(*inputs, **options)
        shortcut, residual = inputs[0]
        shortcut = operation([shortcut, tf.zeros_like(residual)])
        on = path[:, next(blocks), None, None, None]
        chosen = on * residual + (1 - on) * shortcut
        # Forward it is the sum, backward what is chosen.
        return chosen + tf.stop_gradient(shortcut + residual - chosen)

    pixels = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        answers = tf.gather(run_through(network, [pixels], call), labels, batch_dims=1)
    slopes = np.asarray(tape.gradient(answers, pixels))
    return float(np.sqrt((slopes**2).sum((1, 2, 3))).mean())


EXPERIMENT = Experiment(
    group="surgery",
    variants={GRADIENT: GRADIENT, NUMBER: NUMBER},
    measure=measure,
    claims=(Claim(measure=SHARE, of=GRADIENT, above=75),),
    plot=Curves(BY_LENGTH, x="blocks on the path"),
    small=Scale(minutes=1.5, recipe={"epochs": 10}),
)
