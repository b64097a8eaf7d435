"""Good first weights set the start; batch normalisation keeps the scales.

Claim: First weights of the right size keep the deviation of activations from layer to layer at the
    start alone, and training changes it; with batch normalisation it stays, and first weights that
    are too small do no harm.
Source: Ioffe, Szegedy 2015, arXiv 1502.03167, sections 2 and 3.3; Glorot, Bengio 2010 for the
    scales through the layers.
Expected: Without normalisation a network with small first weights learns nothing, and normalised it
    fits its images. In training the deviations of He's network change by a factor of 1.5 more
    than those of the normalised ones.
Simplifications: A dense network of 12 layers with 64 ReLU units on the digits of scikit-learn;
    10 epochs with momentum. Small weights are a tenth of He's. Deviations are those of each
    layer's activations over 512 training images and all units, in training mode; their change is
    the mean over layers of the logarithm's absolute change. How far He's network moves depends much
    on its first draw, for which three seeds are few.
"""

from __future__ import annotations

from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TRAINING_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

CHANGE = "change of the activations' deviations by training, doublings or halvings"
BEFORE, AFTER = (
    f"deviation of activations, last layer over first, {when} training"
    for when in ("before", "after")
)
LAYERS = 12

# Size of the first weights over He's, whether normalised.
VARIANTS = {
    "small weights": (0.1, False),
    "He's weights": (1.0, False),
    "small weights, normalised": (0.1, True),
    "He's weights, normalised": (1.0, True),
}


def network(shape: tuple, classes: int, size: float, normalized: bool) -> keras.Model:
    """Dense layers; the weights of the last one are not made small."""
    images = keras.Input(shape)
    x = keras.layers.Flatten()(images)
    for number in range(LAYERS):
        weights: Any = keras.initializers.VarianceScaling(2 * size**2, "fan_in")
        x = keras.layers.Dense(64, kernel_initializer=weights)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x) if normalized else x
        x = keras.layers.ReLU(name=f"layer{number}")(x)
    return keras.Model(images, keras.layers.Dense(classes)(x))


def deviations(model: keras.Model, x) -> list[float]:
    """The deviation of each layer's activations, in training mode."""
    layers = [model.get_layer(f"layer{number}").output for number in range(LAYERS)]
    outputs = keras.Model(model.input, layers)(x, training=True)
    return [float(keras.ops.std(each)) for each in outputs]


def measure(trial: Trial) -> Measured:
    """Deviations before and after training, and the training error."""
    import numpy as np

    sets = trial.sets()
    some, before = sets.train.x[:512], []

    def build(shape, classes):
        model = network(shape, classes, *trial.variant)
        before.extend(deviations(model, some))
        return model

    fitted = trial.fit(build, sets=sets)
    after = deviations(fitted.network, some)
    # Units of a layer that is all zero would have no logarithm.
    change = np.abs(np.log2(np.maximum(after, 1e-12) / np.array(before))).mean()
    found = fitted.errors()
    values = {CHANGE: change, BEFORE: before[-1] / before[0], AFTER: after[-1] / after[0]}
    return Measured({**values, TRAINING_ERROR: found.values[TRAINING_ERROR]}, found.curves)


EXPERIMENT = Experiment(
    group="training",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=TRAINING_ERROR, of="small weights", above=80),
        Claim(measure=TRAINING_ERROR, of="small weights, normalised", below=10),
        Claim(measure=CHANGE, of="He's weights", minus="He's weights, normalised", above=0.58),
    ),
    plot=Curves(TRAINING_ERROR, x="epoch"),
    small=Scale(minutes=2, recipe={"epochs": 10, "learning_rate": 0.02}),
)
