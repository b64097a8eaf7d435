"""A 3x3 convolution with two 1x1 behind it beats a wider 3x3 at equal cost.

Claim: A small dense network at each pixel, which two 1x1 convolutions with ReLU are, makes a better
    layer than a 3x3 convolution with more maps that takes as many multiply-adds.
Source: Lin, Chen, Yan 2013, arXiv 1312.4400, sections 3.1 and 4.2. The paper compares with other
    networks; it has no twin of equal cost.
Expected: A test error at least half a point below that of the wider 3x3, with multiply-adds equal
    within 2 %.
Simplifications: The digits of scikit-learn, 8x8; three layers behind a 3x3 convolution of 16 maps,
    at 8x8, 4x4 and 2x2, of 16 to 19 maps where the paper has 96 to 192; no dropout. No
    normalisation and 10 epochs: that ten layers only train more slowly than four is not ruled out.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.costs import MULTIPLY_ADDS
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.networks import conv_relu, stacked
from kerasnets.lab.verdict import Claim

# Of each of the three layers, its maps and how many 1x1 convolutions are behind the 3x3.
MLP, WIDER = "3x3 and two 1x1", "wider 3x3"
VARIANTS = {MLP: ((16, 16, 16), 2), WIDER: ((19, 18, 18), 0)}


def measure(trial: Trial) -> Measured:
    """Test error, and multiply-adds."""
    from kerasnets.inspection.table import multiply_adds

    maps, ones = trial.variant

    def layer(x, maps):
        x = conv_relu(x, maps, 3)
        for _ in range(ones):
            x = conv_relu(x, maps, 1)
        return x

    def build(shape, classes):
        first = [lambda x: layer(conv_relu(x, 16, 3), maps[0])]
        others = [lambda x, each=each: layer(x, each) for each in maps[1:]]
        return stacked(shape, classes, [*first, *others])

    fitted = trial.fit(build)
    return Measured(
        {
            TEST_ERROR: fitted.error(fitted.sets.test),
            MULTIPLY_ADDS: multiply_adds(fitted.network),
        }
    )


EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=TEST_ERROR, of=MLP, minus=WIDER, below=-0.5),
        Claim(measure=MULTIPLY_ADDS, of=MLP, minus=WIDER, below=1.02, ratio=True),
        Claim(measure=MULTIPLY_ADDS, of=MLP, minus=WIDER, above=0.98, ratio=True),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(minutes=1, recipe={"epochs": 10, "learning_rate": 0.02}, seeds=5),
)
