"""The effective receptive field is a fraction of the theoretical one that shrinks with depth.

Claim: What counts of a unit's receptive field, its effective part, grows as the square root of the
    depth n, where the theoretical field grows as n: its fraction shrinks as 1/sqrt(n). Training
    enlarges it.
Source: Luo, Li, Urtasun, Zemel 2016, arXiv 1701.04128, sections 2 and 3, figures 1 and 2.
Expected: In networks as they are drawn, the fraction of 32 layers over that of 8 is near 0.5,
    between 4^-0.75 = 0.35 and 4^-0.25 = 0.71. Training enlarges that of 8 layers by more than a
    twentieth, which is most of a pixel.
Simplifications: 3x3 convolutions of 8 maps with batch normalisation and ReLUs, global average and
    a dense layer, on images as large as the theoretical field. The effective field is that of
    `kerasnets look receptive-field`: the pixels whose mean gradient, over 32 images, is above
    4.55 % of the largest. All see scikit-learn's digits, enlarged from 8x8; the network of 8
    layers is trained on them, at 17x17; its field, 0.8 of the theoretical one as drawn, has little
    room to grow. The paper's trained networks, on CIFAR-10 and on street scenes, are deeper and
    have other kinds of layers too.
"""

from typing import NamedTuple

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

IMAGES = 32
FRACTION = "effective field over theoretical"
ERROR = "test error, %"


class Variant(NamedTuple):
    """The number of convolutions, and whether they are trained."""

    layers: int
    trained: bool = False


VARIANTS = {
    "8 layers, as drawn": Variant(8),
    "16 layers, as drawn": Variant(16),
    "32 layers, as drawn": Variant(32),
    "8 layers, trained": Variant(8, trained=True),
}


def measure(trial: Trial) -> Measured:
    """The fraction that the field of the unit in the middle of the last convolution has."""
    from kerasnets.figures import receptive_field
    from kerasnets.lab.images import load
    from kerasnets.training.process import seeded

    layers, trained = trial.variant
    sets = load(trial.scale.data, side=2 * layers + 1)

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        x = image = keras.Input(shape)
        for _ in range(layers):
            x = keras.layers.Conv2D(8, 3, padding="same", kernel_initializer="he_normal")(x)
            x = keras.layers.BatchNormalization(momentum=0.9)(x)
            x = keras.layers.ReLU()(x)
        last = keras.layers.Activation("linear", name="last")(x)
        x = keras.layers.GlobalAveragePooling2D()(last)
        return keras.Model(image, keras.layers.Dense(classes)(x))

    values = {}
    if trained:
        fitted = trial.fit(build, sets=sets)
        network, values[ERROR] = fitted.network, fitted.error(sets.test)
    else:
        with seeded(trial.seed):
            network = build(sets.shape, sets.classes)
    view = receptive_field(network, "last", sets.test.x[:IMAGES])
    values[FRACTION] = float(view.arrays["effective_size"] / view.arrays["size"][0])
    return Measured(values)


def _claim(of: str, minus: str, **side: float) -> Claim:
    return Claim(measure=FRACTION, of=of, minus=minus, ratio=True, **side)


EXPERIMENT = Experiment(
    group="surgery",
    variants=VARIANTS,
    measure=measure,
    claims=(
        _claim("32 layers, as drawn", "8 layers, as drawn", below=0.71),
        _claim("32 layers, as drawn", "8 layers, as drawn", above=0.35),
        _claim("8 layers, trained", "8 layers, as drawn", above=1.05),
    ),
    plot=Bars((FRACTION,)),
    small=Scale(
        minutes=1.5,
        recipe={"epochs": 12, "optimizer": "adam", "learning_rate": 0.01},
    ),
)
