"""Without the shuffle, grouped 1x1 convolutions do not mix what the groups know.

Claim: In a stack of grouped 1x1 convolutions a map depends on its own group alone; shuffling the
    channels between them lets every map depend on all, and the network errs less.
Source: Zhang, Zhou, Lin, Sun 2017, arXiv 1707.01083, section 3.1, table 3.
Published: ImageNet error 1.3 to 5.8 points lower with the shuffle, most with 8 groups.
Expected: A last map depends on a third and an eighth of the first maps without the shuffle, and
    with it on all but a few, which ReLUs that are off may hide; a test error a point or more higher
    without it, for both numbers of groups.
Simplifications: The digits of scikit-learn, 8x8; four units of 24 maps without shortcuts, where
    ShuffleNet has sixteen of up to 960 (3 groups) with shortcuts and bottlenecks.
"""

from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.networks import conv_relu, stacked
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

SEEN = "first maps that a last one depends on, %"
MAPS = 24
GROUPS = (3, 8)
WITH, WITHOUT = "{} groups, shuffled", "{} groups, not shuffled"


def unit(x, groups, shuffled):
    """Figure 2 b without its shortcut and its second 1x1 convolution."""
    from kerasnets.layers import ChannelShuffle, GroupedConv2D

    x = GroupedConv2D(MAPS, 1, groups=groups, use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    if shuffled:
        x = ChannelShuffle(groups)(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def seen(network) -> float:
    """How many of the maps of the first convolution change a last one, in per cent."""
    import numpy as np

    first: Any = next(layer.output for layer in network.layers if "re_lu" in layer.name)
    last = next(layer.input for layer in network.layers if "average" in layer.name)
    maps = np.random.default_rng(0).normal(size=(1, *first.shape[1:])).astype("float32")
    changed = maps + np.eye(MAPS, dtype="float32")[:, None, None, :]
    body = keras.Model(first, last)
    answers = np.asarray(body(np.concatenate([maps, changed])))
    return 100 * float((answers[1:] != answers[0]).any((1, 2)).mean())


def measure(trial: Trial) -> Measured:
    """Test error, and what the last maps depend on."""

    def stage(x):
        return unit(unit(x, *trial.variant), *trial.variant)

    def build(shape, classes):
        return stacked(shape, classes, [lambda x: stage(conv_relu(x, MAPS, 3)), stage])

    fitted = trial.fit(build)
    return Measured({TEST_ERROR: fitted.error(fitted.sets.test), SEEN: seen(fitted.network)})


EXPERIMENT = Experiment(
    group="architecture",
    variants={
        form.format(groups): (groups, shuffled)
        for groups in GROUPS
        for form, shuffled in ((WITH, True), (WITHOUT, False))
    },
    measure=measure,
    claims=(
        *(
            Claim(measure=TEST_ERROR, of=WITHOUT.format(groups), minus=WITH.format(groups), above=1)
            for groups in GROUPS
        ),
        *(Claim(measure=SEEN, of=WITH.format(groups), above=90) for groups in GROUPS),
        *(Claim(measure=SEEN, of=WITHOUT.format(groups), below=34) for groups in GROUPS),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(minutes=2, recipe={"epochs": 6, "learning_rate": 0.05}, seeds=3),
)
