"""Global average pooling replaces dense layers.

Claim: A network that averages its last maps has far fewer parameters than one that ends with dense
    layers, and overfits less: test and training error lie closer together.
Source: Lin, Chen, Yan 2013, arXiv 1312.4400, section 4.6, table 5.
Expected: The dense network has 5 times the parameters or more; its gap between test and training
    error is larger by a point or more.
Simplifications: The digits of scikit-learn, 8x8, of which 10 images a class are trained on; one
    trunk of three 3x3 convolutions, which sees the whole of such a small image. The paper puts its
    dense layer behind the ten class maps; here it is a hidden layer of 128 units on the trunk's
    maps, as networks of the time had it, and dropout of one half stands in front of and behind it.
    The digits are centred, so where something is tells as much as what it is: that favours the
    dense layers, and objects in photographs do not. What this scale shows is the parameters saved.
"""

from __future__ import annotations

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import GAP, TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

PARAMETERS = "parameters"


def dense(dropout: float, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """The head of networks before: a hidden layer and the classifier."""
    x = keras.layers.Dropout(dropout)(keras.layers.Flatten()(x))
    x = keras.layers.Dense(128, "relu", kernel_initializer="he_normal")(x)
    return keras.layers.Dense(classes)(keras.layers.Dropout(dropout)(x))


def average(_: float, x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """A map for each class, and its average."""
    return keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(classes, 1)(x))


VARIANTS = {
    "dense": (dense, 0.0),
    "dense with dropout": (dense, 0.5),
    "global average pooling": (average, 0.0),
}


def measure(trial: Trial) -> Measured:
    """Parameters, test error, and its distance from the training error at the end."""

    head, dropout = trial.variant

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        image = x = keras.Input(shape)
        for filters, strides in ((32, 1), (32, 2), (64, 1)):
            x = keras.layers.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        return keras.Model(image, head(dropout, x, classes))

    fitted = trial.fit(build)
    found = fitted.errors()
    return Measured({**found.values, PARAMETERS: fitted.network.count_params()}, found.curves)


EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=PARAMETERS, of="dense", minus="global average pooling", above=5, ratio=True),
        Claim(measure=GAP, of="dense", minus="global average pooling", above=1),
    ),
    plot=Bars((GAP, TEST_ERROR)),
    small=Scale(
        images={"each_class": 10}, minutes=2, recipe={"epochs": 25, "batch_size": 20}, seeds=8
    ),
)
