"""Dropout narrows the gap between training and test, and stands for an average of networks.

Claim: Dropout lessens overfitting: the error on new images comes closer to that on the training
    images. At test the scaled network answers as the average of its sampled sub-networks does,
    each of which alone is worse.
Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, JMLR 15, sections 1 and 7.5;
    Krizhevsky, Sutskever, Hinton 2012, section 4.2.
Expected: A gap at rate 0.5 that is smaller than without dropout by a point or more; the average of
    50 sub-networks within a point of the scaled network, one of them at least 2 points above it.
Simplifications: A dense network of two hidden layers on 30 images of each digit of scikit-learn, in
    the place of the papers' large networks. A fifth of the training labels are drawn at random, so
    that there is something wrong to be learned by heart. Errors of the gap are those in inference
    mode. Without dropout there is one sub-network, the network itself.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import GAP, TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

SUB_NETWORKS = 50
NOISE = 0.2
ONE = "one sub-network minus scaled network, points of test error"
AVERAGE = "average of 50 sub-networks minus scaled network, points of test error"


def _network(rate: float):
    def build(shape, classes):
        x = images = keras.Input(shape)
        x = keras.layers.Flatten()(x)
        for units in (512, 512):
            x = keras.layers.Dense(units, "relu")(x)
            x = keras.layers.Dropout(rate)(x)
        return keras.Model(images, keras.layers.Dense(classes)(x))

    return build


def measure(trial: Trial) -> Measured:
    """The gap, and the errors of sub-networks against that of the scaled network."""
    import numpy as np

    sets = trial.sets()
    random = np.random.default_rng(trial.seed)
    wrong = random.random(sets.train.y.shape) < NOISE
    labels = np.where(wrong, random.integers(sets.classes, size=wrong.shape), sets.train.y)
    sets = sets._replace(train=sets.train._replace(y=labels.astype("int32")))
    fitted = trial.fit(_network(trial.variant), sets=sets)
    found, test = fitted.errors(), sets.test
    scaled = found.values[TEST_ERROR]
    answers = np.stack(
        [
            keras.ops.convert_to_numpy(keras.ops.softmax(fitted.network(test.x, training=True)))
            for _ in range(SUB_NETWORKS)
        ]
    )
    errors = [100 * (each.argmax(-1) != test.y).mean() for each in (*answers, answers.sum(0))]
    *alone, together = errors
    values = {ONE: np.mean(alone) - scaled, AVERAGE: together - scaled}
    return Measured({**found.values, **values}, found.curves)


EXPERIMENT = Experiment(
    group="training",
    variants={"no dropout": 0.0, "dropout 0.3": 0.3, "dropout 0.5": 0.5},
    measure=measure,
    claims=(
        Claim(measure=GAP, of="dropout 0.5", minus="no dropout", below=-1),
        Claim(measure=AVERAGE, of="dropout 0.5", above=-1),
        Claim(measure=AVERAGE, of="dropout 0.5", below=1),
        Claim(measure=ONE, of="dropout 0.5", above=2),
    ),
    plot=Bars((GAP, ONE, AVERAGE)),
    small=Scale(
        images={"each_class": 30},
        minutes=2,
        recipe={"epochs": 60, "batch_size": 20, "learning_rate": 1e-3, "optimizer": "adam"},
    ),
)
