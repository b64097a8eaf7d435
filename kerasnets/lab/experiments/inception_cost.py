"""An Inception block costs less than half of a 3x3 convolution of its width.

Claim: An Inception block that narrows first costs a fraction of one convolution with as many maps,
    although it looks through windows of 1, 3 and 5 pixels.
Source: Szegedy et al. 2014, arXiv 1409.4842, section 4, table 1; the lectures' table.
Published: The lectures: 0.16 M weights and 128 M multiply-adds; a 3x3 convolution of its width
    0.44 M and 346 M; a 5x5 one 1.22 M and 963 M, all cut off, not rounded.
Expected: The block 163,328 weights, the 3x3 convolution 442,368, the 5x5 one 1,228,800.
Simplifications: None. The block is (3a) of GoogLeNet, on 28x28x192 values, without biases.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.costs import MULTIPLY_ADDS, WEIGHTS, Conv, cost
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim

VARIANTS = {
    "Inception (3a), 256 maps": [
        [Conv(1, 192, 64)],
        [Conv(1, 192, 96), Conv(3, 96, 128)],
        [Conv(1, 192, 16), Conv(5, 16, 32)],
        # Behind a pooling, which has no weights.
        [Conv(1, 192, 32)],
    ],
    "naive Inception, 224 maps and 192 pooled": [
        [Conv(1, 192, 64)],
        [Conv(3, 192, 128)],
        [Conv(5, 192, 32)],
    ],
    "3x3 convolution, 256 maps": [[Conv(3, 192, 256)]],
    "5x5 convolution, 256 maps": [[Conv(5, 192, 256)]],
}


def measure(trial: Trial) -> Measured:
    """Weights and multiply-adds, of layers that Keras builds."""
    return cost(trial.variant, pixels=28)


EXPERIMENT = Experiment(
    group="costs",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=WEIGHTS, of="Inception (3a), 256 maps", equals=163_328),
        Claim(measure=MULTIPLY_ADDS, of="Inception (3a), 256 maps", equals=128_049_152),
        Claim(measure=WEIGHTS, of="3x3 convolution, 256 maps", equals=442_368),
        Claim(measure=MULTIPLY_ADDS, of="3x3 convolution, 256 maps", equals=346_816_512),
        Claim(measure=WEIGHTS, of="5x5 convolution, 256 maps", equals=1_228_800),
        Claim(measure=MULTIPLY_ADDS, of="5x5 convolution, 256 maps", equals=963_379_200),
    ),
    plot=Bars((MULTIPLY_ADDS,)),
    small=Scale(minutes=0.2),
    exact=True,
)
