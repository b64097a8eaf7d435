"""A residual network works on without one of its blocks; a plain one is destroyed.

Claim: Taking out one block of a trained residual network changes little, since many other paths
    are left; taking out one layer of a plain network destroys it. The error grows smoothly with
    the number of blocks that are taken out.
Source: Veit, Wilber, Belongie 2016, arXiv 1605.06431, sections 4.1 and 4.2, figures 3 and 5a.
Expected: In the median over all parts, an error that is less than 5 points higher for the residual
    network, and more than 20 points higher for the plain one.
Simplifications: The digits of scikit-learn, 8x8; 20 layers each, at half of their width. A block
    becomes its shortcut, also where that changes the shape. Of the plain network a part is one
    convolution, not two; the few that change the shape stay. Each of only 9 blocks counts: this
    scale shows the contrast with the plain network, not that a single block hardly matters, which
    the paper claims of 54 blocks. `full` is a residual network of 56 layers, 27 blocks, on
    CIFAR-10 at 16x16, at half of its width too, trained as `degradation` trains it; the plain one
    has 20 layers there too, since one of 56 trains badly.
"""

import dataclasses

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trained, Trial
from kerasnets.lab.experiments import degradation
from kerasnets.lab.figure import Curves
from kerasnets.lab.verdict import Claim

# The registered network at the small scale, and at the full one.
VARIANTS = {
    "residual network": ("resnet20_cifar", "resnet56_cifar"),
    "plain network": ("plain20_cifar", "plain20_cifar"),
}
MEDIAN = "points of error for one part, median"
WORST = "points of error for one part, largest"
INTACT = "test error, %"
BY_NUMBER = "test error, %, mean of 3 orders"
PAPERS_RECIPE = "resnet_cifar"
MOST, ORDERS = 9, 3


def measure(trial: Trial) -> Measured:
    """The error without each part, and without more and more of them in random orders."""
    import numpy as np

    from kerasnets.lab.fitting import error
    from kerasnets.lab.networks import registered
    from kerasnets.lab.surgery import parts, trained, without

    small, full = trial.variant
    if trial.scale.base == PAPERS_RECIPE:
        network, answering, images = trained(dataclasses.replace(trial, variant=Trained(full)))
    else:
        fitted = trial.fit(registered(small, width=0.5))
        network = answering = fitted.network
        images = fitted.sets.test

    def lacking(removed: list[str]) -> float:
        with without(network, removed):
            return error(answering, images)

    names, intact = parts(network), lacking([])
    alone = [lacking([name]) - intact for name in names]
    random = np.random.default_rng(trial.seed)
    orders = [random.permutation(names).tolist() for _ in range(ORDERS)]
    numbers = range(min(MOST, len(names)) + 1)
    curve = [float(np.mean([lacking(order[:number]) for order in orders])) for number in numbers]
    values = {INTACT: intact, MEDIAN: float(np.median(alone)), WORST: max(alone)}
    return Measured(values, {BY_NUMBER: (numbers, curve)})


EXPERIMENT = Experiment(
    group="surgery",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=MEDIAN, of="residual network", below=5),
        Claim(measure=MEDIAN, of="plain network", above=20),
    ),
    plot=Curves(BY_NUMBER, x="parts taken out: blocks, or convolutions of the plain network"),
    small=Scale(minutes=1.5, recipe={"epochs": 10}),
    full=dataclasses.replace(
        degradation.EXPERIMENT.full,  # pyright: ignore[reportArgumentType]
        minutes=35,
    ),
)
