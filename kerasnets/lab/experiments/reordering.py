"""The blocks of a residual network can change places with a graceful loss.

Claim: Residual blocks of a trained network can be put into another order; the error grows smoothly
    with the distance of the order from the trained one.
Source: Veit, Wilber, Belongie 2016, arXiv 1605.06431, section 4.3, figure 5b.
Expected: Less than 5 points of error where two neighbours change places; over all orders, a rank
    correlation of the error with Kendall's tau, the likeness of the orders, below -0.7.
Simplifications: The digits of scikit-learn, 8x8; 15 blocks, half of the width, where the paper has
    54 on CIFAR-10. Blocks change places by steps of neighbours, within a stage alone, where their
    shapes are equal; so tau does not fall below 0.58. With so few blocks each counts, and the loss
    is less graceful than in the paper.
"""

from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.verdict import Claim

NETWORK = "residual, 32 layers"
NEIGHBOURS = "points of error for one exchange of neighbours"
CORRELATION = "rank correlation of error and tau"
INTACT = "test error, %"
BY_TAU = "test error, %, mean of 6 orders"
# The number of pairs of blocks whose order is reversed.
REVERSED = (0, 1, 2, 3, 4, 6, 8, 11)
ORDERS = 6


def measure(trial: Trial) -> Measured:
    """The error with the blocks in other orders, more and more unlike the trained one."""
    import numpy as np
    from scipy.stats import spearmanr

    from kerasnets.lab.fitting import error
    from kerasnets.lab.networks import registered
    from kerasnets.lab.surgery import exchanged, interchangeable, parts

    fitted = trial.fit(registered(trial.variant, width=0.5))
    names = parts(fitted.network)
    pairs = [
        names.index(first) for group in interchangeable(fitted.network) for first in group[:-1]
    ]
    random = np.random.default_rng(trial.seed)

    def shuffled(reversals: int) -> list[int]:
        order = list(range(len(names)))
        while sum(order[i] > each for j, each in enumerate(order) for i in range(j)) < reversals:
            place = random.choice(pairs)
            order[place : place + 2] = order[place + 1], order[place]
        return order

    def wrong(order: list[int]) -> float:
        source = {names[place]: names[block] for place, block in enumerate(order) if place != block}
        with exchanged(fitted.network, source):
            return error(fitted.network, fitted.sets.test)

    orders = [[shuffled(reversals) for _ in range(ORDERS)] for reversals in REVERSED]
    # That of one exchange of neighbours is taken of all pairs, once each.
    whole = list(range(len(names)))
    orders[1] = [[*whole[:at], at + 1, at, *whole[at + 2 :]] for at in pairs]
    errors = [[wrong(order) for order in row] for row in orders]
    taus = [1 - 4 * reversals / (len(names) * (len(names) - 1)) for reversals in REVERSED]
    correlation: Any = spearmanr(
        np.repeat(taus, [len(row) for row in errors]), np.concatenate(errors)
    )
    means = [float(np.mean(row)) for row in errors]
    values = {
        INTACT: means[0],
        NEIGHBOURS: means[1] - means[0],
        CORRELATION: correlation.statistic,
    }
    return Measured(values, {BY_TAU: (taus, means)})


EXPERIMENT = Experiment(
    group="surgery",
    variants={NETWORK: "resnet32_cifar"},
    measure=measure,
    claims=(
        Claim(measure=NEIGHBOURS, of=NETWORK, below=5),
        Claim(measure=CORRELATION, of=NETWORK, below=-0.7),
    ),
    plot=Curves(BY_TAU, x="Kendall's tau of the blocks' order and the trained one"),
    small=Scale(minutes=1.5, recipe={"epochs": 10}),
)
