"""Max pooling keeps the strongest response; overlapping pools err less.

Claim: A network with max pooling errs less than one with average pooling, and one whose pools
    overlap (3x3 at stride 2) less than one whose pools do not (2x2 at stride 2).
Source: Krizhevsky, Sutskever, Hinton 2012, section 3.4 (overlap); Scherer, Mueller, Behnke 2010
    (max against average).
Published: Overlap takes 0.4 points from AlexNet's top-1 error and 0.3 from its top-5 error.
Expected: Test error of max pooling below that of average pooling by a point or more; with overlap
    below that without by 0.4 points or more.
Simplifications: The digits of scikit-learn, 8x8, of which 20 images a class are trained on; two
    convolutions with a pool behind each, to sides 4 and 2. On maps this small a 3x3 pool takes in
    much of the image, where AlexNet's are of sides 55, 27 and 13: what is found of overlap holds
    for such maps. One of the 450 test images is 0.22 points.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

VARIANTS = {
    "max 2x2": ("max", 2),
    "max 3x3, overlapping": ("max", 3),
    "average 2x2": ("average", 2),
    "average 3x3, overlapping": ("average", 3),
}


def measure(trial: Trial) -> Measured:
    """Error of the test images at the end, of the training images by epoch."""

    kind, side = trial.variant

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        layers = keras.layers
        pool = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
        image = x = keras.Input(shape)
        for filters in (16, 32):
            x = layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"
            )(x)
            x = pool(side, 2, padding="same")(x)
        return keras.Model(image, layers.Dense(classes)(layers.Flatten()(x)))

    return trial.fit(build).errors()


EXPERIMENT = Experiment(
    group="architecture",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=TEST_ERROR, of="max 2x2", minus="average 2x2", below=-1),
        Claim(measure=TEST_ERROR, of="max 3x3, overlapping", minus="max 2x2", below=-0.4),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(
        images={"each_class": 20},
        minutes=2,
        recipe={"epochs": 30, "batch_size": 20, "learning_rate": 0.02},
        seeds=8,
    ),
)
