"""A 1x1 convolution is a dense layer at each pixel.

Claim: A 1x1 convolution computes what one dense layer computes at every pixel of a map, with the
    same weights.
Source: Lin, Chen, Yan 2013, arXiv 1312.4400, section 3.1.
Expected: Equal outputs, up to the rounding of float32.
Simplifications: One map of random numbers, 14x14x64, to 32 maps. Whether networks of such layers
    learn more than wider ones of the same cost is another question, which is not asked here.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

DIFFERENCE = "largest difference from the 1x1 convolution"


def measure(trial: Trial) -> Measured:
    """The largest difference of two layers with the same weights on the same map."""
    import numpy as np

    random = np.random.default_rng(trial.seed)
    image = random.normal(size=(1, 14, 14, 64)).astype("float32")
    convolution, other = keras.layers.Conv2D(32, 1), trial.variant()
    convolution(image)
    other(image)
    kernel, bias = random.normal(size=(64, 32)), random.normal(size=32)
    for layer in (convolution, other):
        # A 3x3 kernel has the same weights at each of its nine places.
        layer.set_weights([np.broadcast_to(kernel, layer.get_weights()[0].shape), bias])
    difference = np.asarray(convolution(image)) - np.asarray(other(image))
    return Measured({DIFFERENCE: np.abs(difference).max()})


EXPERIMENT = Experiment(
    group="architecture",
    variants={
        "dense layer at each pixel": lambda: keras.layers.Dense(32),
        "3x3 convolution, for comparison": lambda: keras.layers.Conv2D(32, 3, padding="same"),
    },
    measure=measure,
    claims=(
        Claim(measure=DIFFERENCE, of="dense layer at each pixel", below=1e-4),
        Claim(measure=DIFFERENCE, of="3x3 convolution, for comparison", above=0.1),
    ),
    plot=Bars((DIFFERENCE,)),
    small=Scale(minutes=0.2),
    exact=True,
)
