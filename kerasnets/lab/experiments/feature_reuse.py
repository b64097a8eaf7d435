"""The layers of a dense block use the maps of early layers too.

Claim: In a trained DenseNet a layer spreads its weights over many of the maps that it is given;
    those of early layers are used by the last ones of the block.
Source: Huang, Liu, van der Maaten, Weinberger 2016, arXiv 1608.06993, section 5, figure 5.
Expected: Where a layer has four sources or more, the half of them that is early has more than half
    of the mean absolute weight that an equal spread would give it. So it is, at 1, with the weights
    that are drawn; so the spread over sources must also have become twice as uneven as theirs.
Simplifications: The digits of scikit-learn, 8x8; one dense block of 10 layers with a growth of 8,
    at side 4, where the paper has three of 12 with a growth of 12, at sides 32, 16 and 8; 20 epochs
    in the place of 300, with a stronger penalty on the convolutions' squared weights, so that
    within these what is not used has the time to vanish; 40 layers in as many epochs, in batches of
    64, kept nearly the spread of the weights as drawn. Behind batch normalisation a weight's size
    says little of how strong the map is, as in the paper.
"""

from __future__ import annotations

from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

EARLY = "mean weight from the early half, over an equal spread"
UNEVEN = "deviation of the mean weights over sources, over their mean"
BY_DISTANCE = "mean absolute weight, over an equal spread"
LAYERS, GROWTH, PENALTY = 10, 8, 0.01
DRAWN, TRAINED = "as drawn", "trained"


def measure(trial: Trial) -> Measured:
    """How the weights of the layers are spread over their sources."""
    import numpy as np

    from kerasnets.figures import reuse
    from kerasnets.models.densenet import STYLE, Growth, dense_stages
    from kerasnets.training.process import seeded

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        image = keras.Input(shape)
        x = STYLE.conv(image, 2 * GROWTH, 3, 2, padding=1, name="stem_conv")
        x = dense_stages(x, STYLE, 2 * GROWTH, (LAYERS,), Growth(GROWTH, bottleneck=False))
        x = keras.layers.GlobalAveragePooling2D()(x)
        network = keras.Model(image, keras.layers.Dense(classes, name="logits")(x))
        for layer in network.layers:
            if isinstance(layer, keras.layers.Conv2D):
                kernel: Any = layer.kernel
                kernel.regularizer = keras.regularizers.L2(PENALTY)
        return network

    values = {}
    if trial.variant == TRAINED:
        fitted = trial.fit(build)
        network, values[TEST_ERROR] = fitted.network, fitted.error(fitted.sets.test)
    else:
        sets = trial.sets()
        with seeded(trial.seed):
            network = build(sets.shape, sets.classes)
    early, uneven, by_distance = [], [], {}
    for table in reuse(network).arrays.values():
        # The last column is what follows the block.
        for column in table.T[:-1]:
            weights = column[~np.isnan(column)]
            weights = weights / weights.mean()
            if len(weights) > 3:
                early.append(weights[: len(weights) // 2].mean())
                uneven.append(weights.std())
                for distance, weight in enumerate(weights[::-1], start=1):
                    by_distance.setdefault(distance, []).append(weight)
    distances = sorted(by_distance)
    means = [float(np.mean(by_distance[distance])) for distance in distances]
    values |= {EARLY: float(np.mean(early)), UNEVEN: float(np.mean(uneven))}
    return Measured(values, {BY_DISTANCE: (distances, means)})


EXPERIMENT = Experiment(
    group="surgery",
    variants={DRAWN: DRAWN, TRAINED: TRAINED},
    measure=measure,
    claims=(
        Claim(measure=EARLY, of=TRAINED, above=0.5),
        Claim(measure=UNEVEN, of=TRAINED, minus=DRAWN, ratio=True, above=2),
    ),
    plot=Curves(BY_DISTANCE, x="distance of the source from the layer, layers"),
    small=Scale(minutes=1.5, recipe={"epochs": 20, "batch_size": 32}),
)
