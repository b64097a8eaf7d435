"""Shortcuts that do anything but pass the signal on hurt a deep network.

Claim: In a deep residual network identity shortcuts train best; a constant factor, a gate or
    dropout on them raises the training error; activation in front of the convolutions
    (pre-activation) does not.
Source: He, Zhang, Ren, Sun 2016, arXiv 1603.05027, sections 3.1 and 4, tables 1 and 2.
Published: CIFAR-10 test error of ResNet-110 with identity shortcuts 6.61 %, with a factor of one
    half on shortcut and residual 12.35 %, with exclusive gates 8.70 %; with dropout on the shortcut
    it fails.
Expected: Training error with scaling, gates and dropout above that with identity shortcuts by a
    point or more; of pre-activation above it by less than a point.
Simplifications: The digits of scikit-learn, 8x8; 22 layers of 8 filters, 10 blocks at one size, 4x4
    behind a convolution with stride 2; 6 epochs. The paper's networks have 110 layers and more, and
    what it finds of pre-activation is for such depths. The measure is the training error, since the
    claim is about how such networks train; with dropout it is that of the network with its
    shortcuts dropped. Gates begin half open (bias 0), where the paper has the best of several.
"""

from __future__ import annotations

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TRAINING_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

BLOCKS, FILTERS = 10, 8


def convolved(x: keras.KerasTensor, *, before: bool, strides: int = 1) -> keras.KerasTensor:
    """A convolution, with batch norm in front (and ReLU between) or behind."""
    convolution = keras.layers.Conv2D(
        FILTERS, 3, strides, "same", use_bias=False, kernel_initializer="he_normal"
    )
    normalise = keras.layers.BatchNormalization(momentum=0.9)
    return convolution(keras.layers.ReLU()(normalise(x))) if before else normalise(convolution(x))


def block(x: keras.KerasTensor, form: str) -> keras.KerasTensor:
    """A residual block with a shortcut of this form."""
    from kerasnets.layers import HighwayGate

    layers = keras.layers
    if form == "pre-activation":
        return layers.Add()([x, convolved(convolved(x, before=True), before=True)])
    y = convolved(layers.ReLU()(convolved(x, before=False)), before=False)
    if form == "gate":
        y = HighwayGate()([x, y, layers.Conv2D(FILTERS, 1)(x)])
    elif form == "scaling":
        y = layers.Average()([x, y])  # one half of each
    elif form == "dropout":
        y = layers.Add()([layers.Dropout(0.5)(x), y])
    else:
        y = layers.Add()([x, y])
    return layers.ReLU()(y)


VARIANTS = {
    "identity": "identity",
    "constant factor 0.5": "scaling",
    "gate": "gate",
    "dropout 0.5": "dropout",
    "identity, pre-activation": "pre-activation",
}


def measure(trial: Trial) -> Measured:
    """Error of each epoch while it trains, and of the test images at the end."""

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        image = keras.Input(shape)
        x = keras.layers.ReLU()(convolved(image, before=False, strides=2))
        for _ in range(BLOCKS):
            x = block(x, trial.variant)
        if trial.variant == "pre-activation":
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(image, keras.layers.Dense(classes)(x))

    return trial.fit(build).errors()


WORSE = ("constant factor 0.5", "gate", "dropout 0.5")
EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        *(Claim(measure=TRAINING_ERROR, of=name, minus="identity", above=1) for name in WORSE),
        Claim(measure=TRAINING_ERROR, of="identity, pre-activation", minus="identity", below=1),
    ),
    plot=Curves(TRAINING_ERROR, x="epoch"),
    small=Scale(minutes=4, recipe={"epochs": 6, "batch_size": 128, "learning_rate": 0.1}),
)
