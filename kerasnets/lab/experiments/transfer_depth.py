"""The first layers of a network are general, the last ones specific.

Claim: On few images, features that were learned on other classes and are kept frozen beat training
    from scratch; what the first layers learned serves other classes as it is, what the last hidden
    layer learned does not.
Source: Yosinski, Clune, Bengio, Lipson 2014, arXiv 1411.1792, section 4.1, figure 2, for the
    layers; that few images suffice is from textbooks.
Expected: With two of four convolutions frozen an error that is a point or more below that from
    scratch; with all but the classifier frozen one that is 5 points or more above that with two.
Simplifications: scikit-learn's digits, 8x8: first 0 to 4, all images, then 5 to 9, ten images a
    class, drawn by the seed. Four convolutions in pairs of 16 and 32 maps, a hidden dense layer of
    64 units and the classifier, which always begins anew. The paper has eight layers and half of
    ImageNet's classes with all of their images. Digits can be learned from ten images a class, and
    five classes teach few features: this scale says nothing of transfer from large data.
"""

from __future__ import annotations

from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

EACH_CLASS, OLD = 10, 5
# The layers that are frozen; with None nothing is taken over.
SCRATCH, TWO = "from scratch", "two convolutions frozen"
FOUR, ALL = "four convolutions frozen", "all but the classifier frozen"
VARIANTS = {SCRATCH: None, "nothing frozen": 0, TWO: 2, FOUR: 4, ALL: 5}
LAYERS = ("conv1", "conv2", "conv3", "conv4", "hidden")


def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Four convolutions with two poolings, a hidden dense layer and the classifier."""
    x = image = keras.Input(shape)
    for name, filters in zip(LAYERS, (16, 16, 32, 32), strict=False):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = keras.layers.MaxPooling2D(2)(x) if name in ("conv2", "conv4") else x
    x = keras.layers.Dense(64, activation="relu", name="hidden")(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Dense(classes)(x))


_learned: dict[str, Any] = {}


def learned(trial: Trial, sets: Any) -> dict[str, Any]:
    """The weights of `LAYERS` after training on these images; all variants of a seed share them."""
    key = f"{trial.seed} {trial.scale}"
    if key not in _learned:
        network = trial.fit(build, sets=sets).network
        _learned.clear()
        _learned[key] = {name: network.get_layer(name).get_weights() for name in LAYERS}
    return _learned[key]


def measure(trial: Trial) -> Measured:
    """The test error on the second half of the classes."""
    import numpy as np

    from kerasnets.lab.images import Images, Sets

    whole = trial.sets()
    first = Sets(*(Images(x[y < OLD], y[y < OLD]) for x, y in whole))
    second = Sets(*(Images(x[y >= OLD], y[y >= OLD] - OLD) for x, y in whole))
    random, labels = np.random.default_rng(trial.seed), second.train.y
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    few = np.concatenate([random.choice(each, EACH_CLASS, replace=False) for each in of_class])
    few = Sets(Images(second.train.x[few], labels[few]), second.test)

    def taken_over(shape: tuple[int, int, int], classes: int) -> keras.Model:
        network, frozen = build(shape, classes), trial.variant or 0
        for number, name in enumerate(LAYERS if trial.variant is not None else ()):
            layer: Any = network.get_layer(name)
            layer.set_weights(weights[name])
            layer.trainable = number >= frozen
        return network

    weights = learned(trial, first)
    return trial.fit(taken_over, sets=few, epochs=60, batch_size=10).errors()


EXPERIMENT = Experiment(
    group="surgery",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=TEST_ERROR, of=TWO, minus=SCRATCH, below=-1),
        Claim(measure=TEST_ERROR, of=ALL, minus=TWO, above=5),
    ),
    plot=Bars((TEST_ERROR,)),
    small=Scale(
        minutes=1.5,
        recipe={"epochs": 15, "optimizer": "adam", "learning_rate": 0.002},
        seeds=5,
    ),
)
