"""A 1x1 convolution before a large one saves most of its weights.

Claim: Reducing the maps by a 1x1 convolution before a 5x5 or 3x3 one costs a small part of the
    weights of the direct convolution.
Source: Szegedy et al. 2014, arXiv 1409.4842, section 4; He et al. 2015, arXiv 1512.03385,
    section 4.1, figure 5; the lectures' figures.
Published: The lectures: 5x5 on 512 maps to 64 has 819,200 weights, by 1x1 to 24 first 50,688; two
    3x3 convolutions on 256 maps 1,179,648, a bottleneck of 64 maps 69,632.
Expected: All four exactly: one sixteenth and one seventeenth of the weights.
Simplifications: None. Weights are of the kernels, without biases and batch norms; multiply-adds
    are of 14x14 pixels at stride 1.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.costs import WEIGHTS, Conv, cost
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim

VARIANTS = {
    "5x5, 512 to 64 maps": [[Conv(5, 512, 64)]],
    "1x1 to 24 maps, 5x5 to 64": [[Conv(1, 512, 24), Conv(5, 24, 64)]],
    "two 3x3 on 256 maps": [[Conv(3, 256, 256)] * 2],
    "bottleneck, 256-64-64-256": [[Conv(1, 256, 64), Conv(3, 64, 64), Conv(1, 64, 256)]],
}


def measure(trial: Trial) -> Measured:
    """Weights and multiply-adds, of layers that Keras builds."""
    return cost(trial.variant, pixels=14)


EXPERIMENT = Experiment(
    group="costs",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=WEIGHTS, of="5x5, 512 to 64 maps", equals=819_200),
        Claim(measure=WEIGHTS, of="1x1 to 24 maps, 5x5 to 64", equals=50_688),
        Claim(measure=WEIGHTS, of="two 3x3 on 256 maps", equals=1_179_648),
        Claim(measure=WEIGHTS, of="bottleneck, 256-64-64-256", equals=69_632),
    ),
    plot=Bars((WEIGHTS,)),
    small=Scale(minutes=0.2),
    exact=True,
)
