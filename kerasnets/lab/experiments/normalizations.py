"""Batch normalisation trains worse with small batches; group normalisation does not.

Claim: The four differ in the axes over which mean and variance are taken, and in nothing else.
    Batch normalisation alone takes them over the images of a batch, so its error rises where
    batches are small; that of group normalisation does not.
Source: Wu, He 2018, arXiv 1803.08494, figures 1, 2 and 5.
Published: ImageNet error of ResNet-50 from 32 to 2 images a GPU: with batch normalisation 23.6 to
    34.7 %, with group normalisation 24.0 to 24.2 %.
Expected: With 2 images in the place of 32, a training error that is higher by more than a point
    with batch normalisation, by less than a point with group normalisation.
Simplifications: Four convolutions of 16 to 64 maps on 20 images of each digit of scikit-learn, 8x8,
    without augmentation; 4 groups, since the paper's 32 would leave single maps. The rate is
    proportional to the batch, as in the paper, and batch normalisation's moving averages reach
    over as many images with each batch. The training error is that of the steps of the last 5
    epochs, in training mode; the paper's is that of new images. At this scale the test error, for
    which the moving averages stand in, shows no such loss. Both sizes have equal epochs, so 2
    images have 16 times as many steps; compare normalisations across sizes with that in mind.
    `full` trains the same network on 100 images of each class of CIFAR-10.
"""

from __future__ import annotations

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR, TRAINING_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

LAST = "training error, %, mean of the last 5 epochs"
FEW, MANY = 2, 32
VARIANTS = {
    f"{kind}, {batch} images": (kind, batch)
    for kind in ("batch", "layer", "instance", "group")
    for batch in (FEW, MANY)
}


def network(shape: tuple, classes: int, kind: str, batch: int) -> keras.Model:
    """Four 3x3 convolutions, each normalised; two halve the sides."""
    groups = {"layer": 1, "instance": -1, "group": 4}
    x = images = keras.Input(shape)
    for maps, strides in ((16, 1), (32, 2), (32, 1), (64, 2)):
        x = keras.layers.Conv2D(
            maps, 3, strides, "same", use_bias=False, kernel_initializer="he_normal"
        )(x)
        if kind == "batch":
            x = keras.layers.BatchNormalization(momentum=0.9 ** (batch / MANY), epsilon=1e-5)(x)
        else:
            x = keras.layers.GroupNormalization(groups[kind], epsilon=1e-5)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(classes)(x))


def measure(trial: Trial) -> Measured:
    """The training error of the last epochs in training mode, and the test error."""
    kind, batch = trial.variant
    found = trial.fit(
        lambda shape, classes: network(shape, classes, kind, batch),
        batch_size=batch,
        learning_rate=trial.scale.recipe["learning_rate"] * batch / MANY,
    ).errors()
    last = found.curves[TRAINING_ERROR][1][-5:]
    return Measured({LAST: sum(last) / len(last), TEST_ERROR: found.values[TEST_ERROR]})


EXPERIMENT = Experiment(
    group="training",
    variants=VARIANTS,
    measure=measure,
    claims=(
        # The paper's group normalisation stays within a point from 32 images to 2.
        Claim(measure=LAST, of="batch, 2 images", minus="batch, 32 images", above=1),
        Claim(measure=LAST, of="group, 2 images", minus="group, 32 images", below=1),
    ),
    plot=Bars((LAST, TEST_ERROR)),
    small=Scale(images={"each_class": 20}, minutes=3, recipe={"epochs": 12, "learning_rate": 0.1}),
    full=Scale(
        data="cifar10",
        images={"each_class": 100},
        minutes=28,
        recipe={"epochs": 12, "learning_rate": 0.1},
    ),
)
