"""Two 3x3 convolutions are better than one 5x5, and three better than one 7x7.

Claim: Two 3x3 convolutions see what a 5x5 sees, and three what a 7x7 sees, with fewer weights and
    more ReLUs between; at equal parameters the deeper kernels err less.
Source: Simonyan, Zisserman 2014, arXiv 1409.1556, sections 2.3 and 4.1.
Published: A net of 5x5 in the place of each pair of 3x3 in column B has a top-1 error 7 points
    above B's.
Expected: A test error of the 3x3 at least half a point below that of the larger kernel with as
    many parameters; 18/25 and 27/49 of its weights where the maps are as many.
Simplifications: The digits of scikit-learn, 8x8; two stages, at 8x8 and 4x4, of 9 to 13 maps behind
    a 3x3 convolution, where B has five pairs of 64 to 512; no dense layers of 4096, no dropout.
    What is compared has parameters equal within 2 %. No normalisation and 8
    epochs: the deeper networks differ more between seeds than the effect that is looked for, which
    may be their slower start.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.networks import conv_relu, stacked
from kerasnets.lab.verdict import Claim

PARAMETERS = "parameters"
SHARE = "weights over those of one larger kernel, equal maps"
# The kernel, how many of them a stage has, and its maps.
VARIANTS = {
    "two 3x3": (3, 2, 13),
    "one 5x5": (5, 1, 11),
    "three 3x3": (3, 3, 12),
    "one 7x7": (7, 1, 9),
}
PAIRS = {"two 3x3": "one 5x5", "three 3x3": "one 7x7"}


def measure(trial: Trial) -> Measured:
    """Test error of the trained network, its parameters, and the share of a stage's weights."""
    kernel, count, maps = trial.variant

    def stage(x):
        for _ in range(count):
            x = conv_relu(x, maps, kernel)
        return x

    def build(shape, classes):
        return stacked(shape, classes, [lambda x: stage(conv_relu(x, maps, 3)), stage])

    fitted = trial.fit(build)
    seen = count * (kernel - 1) + 1
    return Measured(
        {
            TEST_ERROR: fitted.error(fitted.sets.test),
            PARAMETERS: fitted.network.count_params(),
            SHARE: count * kernel**2 / seen**2,
        }
    )


EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        *(
            Claim(measure=TEST_ERROR, of=small, minus=large, below=-0.5)
            for small, large in PAIRS.items()
        ),
        *(Claim(measure=SHARE, of=small, below=0.75) for small in PAIRS),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(minutes=2, recipe={"epochs": 8, "learning_rate": 0.02}, seeds=5),
)
