"""A dense network needs a third of a residual network's parameters.

Claim: A densely connected network reaches the error of a residual one that has three times its
    parameters.
Source: Huang, Liu, van der Maaten, Weinberger 2016, arXiv 1608.06993, section 4.3, figure 4.
Published: About a third of the parameters of pre-activation ResNets for the same error on CIFAR-10;
    a DenseNet-BC of 100 layers with 0.8 million comes near the ResNet of 1001 layers with 10.2
    million.
Expected: At each of two sizes the test error of the dense network is above that of the residual
    one, which has three times its parameters, by less than a point.
Simplifications: The digits of scikit-learn, 8x8; 10 layers each: two stages of four convolutions at
    sides 8 and 4, with a transition that keeps half of the maps in the dense network; batch norm
    and ReLU in front of each convolution but the first; 10 epochs. The paper compares networks of
    millions of parameters, in full training. The claim is one-sided: it is easy at sizes where more
    parameters bring a residual network little. A point is four or five of the test images.
"""

from __future__ import annotations

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Scatter
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

PARAMETERS = "parameters"

# Growth rates, and the filters with which a residual network has three times the parameters.
VARIANTS = {
    "dense, growth 4": ("dense", 4),
    "dense, growth 8": ("dense", 8),
    "residual, 12 filters": ("residual", 12),
    "residual, 24 filters": ("residual", 24),
}


def convolved(
    x: keras.KerasTensor, filters: int, kernel: int = 3, strides: int = 1
) -> keras.KerasTensor:
    """Batch norm, ReLU and a convolution."""
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
    return keras.layers.Conv2D(
        filters, kernel, strides, "same", use_bias=False, kernel_initializer="he_normal"
    )(x)


def dense_stage(x: keras.KerasTensor, growth: int, stage: int) -> keras.KerasTensor:
    """Four layers, each of which sees the maps of all before; first a transition, if any."""
    if stage:
        x = keras.layers.AveragePooling2D(2)(convolved(x, x.shape[-1] // 2, 1))
    for _ in range(4):
        x = keras.layers.Concatenate()([x, convolved(x, growth)])
    return x


def residual_stage(x: keras.KerasTensor, filters: int, stage: int) -> keras.KerasTensor:
    """Two blocks of two layers; from stage to stage half the side and twice the filters."""
    for block in range(2):
        strides = 2 if stage and not block else 1
        y = convolved(convolved(x, filters << stage, strides=strides), filters << stage)
        x = convolved(x, filters << stage, 1, strides) if strides > 1 else x
        x = keras.layers.Add()([x, y])
    return x


def measure(trial: Trial) -> Measured:
    """Parameters, error of the test images at the end, and of each epoch while it trains."""
    kind, size = trial.variant
    stage_of = dense_stage if kind == "dense" else residual_stage

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        image = keras.Input(shape)
        start = 4 * size if kind == "dense" else size
        x = keras.layers.Conv2D(start, 3, padding="same", use_bias=False)(image)
        for stage in range(2):
            x = stage_of(x, size, stage)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.Model(image, keras.layers.Dense(classes)(x))

    fitted = trial.fit(build)
    found = fitted.errors()
    return Measured({**found.values, PARAMETERS: fitted.network.count_params()}, found.curves)


PAIRS = zip(list(VARIANTS)[:2], list(VARIANTS)[2:], strict=True)
EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=tuple(Claim(measure=TEST_ERROR, of=own, minus=other, below=1) for own, other in PAIRS),
    plot=Scatter(PARAMETERS, TEST_ERROR),
    small=Scale(minutes=3, recipe={"epochs": 10}),
)
