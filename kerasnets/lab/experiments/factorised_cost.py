"""A 1xn and an nx1 convolution cost 2/n of an nxn one.

Claim: Replacing an nxn convolution by 1xn and nx1 leaves 2/n of its cost: the larger, the better.
Source: Szegedy et al. 2015, arXiv 1512.00567, section 3.2.
Expected: The share 2/n exactly, for n from 3 to 7.
Simplifications: All maps are 64, also those between the two; no biases.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.costs import MULTIPLY_ADDS, WEIGHTS, Conv, cost
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim

SIDES = (3, 4, 5, 6, 7)
FORMS = {
    "{n}x{n}": lambda n: [[Conv(n, 64, 64)]],
    "1x{n} and {n}x1": lambda n: [[Conv((1, n), 64, 64), Conv((n, 1), 64, 64)]],
}
VARIANTS = {name.format(n=n): form(n) for n in SIDES for name, form in FORMS.items()}


def measure(trial: Trial) -> Measured:
    """Weights and multiply-adds, of layers that Keras builds."""
    return cost(trial.variant, pixels=17)


EXPERIMENT = Experiment(
    group="costs",
    variants=VARIANTS,
    measure=measure,
    claims=tuple(
        Claim(measure=measure, of=f"1x{n} and {n}x1", minus=f"{n}x{n}", equals=2 / n, ratio=True)
        for n in SIDES
        for measure in (WEIGHTS, MULTIPLY_ADDS)
    ),
    plot=Bars((WEIGHTS,)),
    small=Scale(minutes=0.2),
    exact=True,
)
