"""Kernels of several sizes side by side beat any one of them at equal cost.

Claim: A network of inception blocks errs less than one of 1x1, of 3x3 or of 5x5 convolutions that
    takes as many multiply-adds.
Source: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich 2014, arXiv
    1409.4842, sections 3 and 4. The paper says so of the design; it has no table of it.
Expected: A test error of the mixed blocks at least half a point below each of the others, with
    multiply-adds equal within 2 %.
Simplifications: The digits of scikit-learn, 8x8; three blocks behind a 3x3 convolution of 16 maps,
    at 8x8, 4x4 and 2x2, where GoogLeNet has nine; the branches have the proportions of its first
    block, at an eighth of its width. A difference of half a point is two of the 450 test images:
    what lies that close stays undecided.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.networks import conv_relu, stacked
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

OFF = "multiply-adds off those of the mixed blocks, %"
MIXED = "mixed"


def single(kernel, maps):
    """Blocks of one convolution each."""
    return [lambda x, each=each: conv_relu(x, each, kernel) for each in maps]


def inception(x):
    """Figure 2 b: 1x1, 3x3 and 5x5 behind 1x1, and 1x1 behind max pooling."""
    from kerasnets.layers import InceptionConcat

    pooled = keras.layers.MaxPooling2D(3, strides=1, padding="same")(x)
    branches = [
        conv_relu(x, 8, 1),
        conv_relu(conv_relu(x, 12, 1), 16, 3),
        conv_relu(conv_relu(x, 4, 1), 4, 5),
        conv_relu(pooled, 4, 1),
    ]
    return InceptionConcat()(branches)


# Maps are chosen so that the multiply-adds are equal.
VARIANTS = {
    "1x1": single(1, (84, 84, 80)),
    "3x3": single(3, (18, 18, 20)),
    "5x5": single(5, (7, 12, 10)),
    MIXED: [inception] * 3,
}


def network(shape, classes, blocks):
    """The blocks behind a 3x3 convolution."""
    first, *others = blocks
    return stacked(shape, classes, [lambda x: first(conv_relu(x, 16, 3)), *others])


def measure(trial: Trial) -> Measured:
    """Test error, and how far the multiply-adds are from equal."""
    from kerasnets.inspection.table import multiply_adds

    fitted = trial.fit(lambda shape, classes: network(shape, classes, trial.variant))
    mixed = network(fitted.sets.shape, fitted.sets.classes, VARIANTS[MIXED])
    off = 100 * abs(multiply_adds(fitted.network) / multiply_adds(mixed) - 1)
    return Measured({TEST_ERROR: fitted.error(fitted.sets.test), OFF: off})


ONE = [name for name in VARIANTS if name != MIXED]
EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        *(Claim(measure=TEST_ERROR, of=MIXED, minus=name, below=-0.5) for name in ONE),
        *(Claim(measure=OFF, of=name, below=2) for name in ONE),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(minutes=2, recipe={"epochs": 10, "learning_rate": 0.02}),
)
