"""Auxiliary classifiers carry the gradient to the lower layers.

Claim: A classifier in the middle gives the first layer a larger gradient early in training, and
    makes the network more accurate.
Source: Szegedy et al. 2014, arXiv 1409.4842, section 5; Szegedy et al. 2015, arXiv 1512.00567,
    section 4, which found them to help at the end of training alone, as regularisers.
Expected: A gradient at the first layer that is at least twice as long, with first weights and over
    the first epoch; a test error that is lower by a point or more.
Simplifications: 12 plain layers of 16 maps on the digits of scikit-learn, for GoogLeNet, with
    Glorot's first weights as there; in the middle a global average and a dense layer, whose loss
    counts 0.3. With another seed neither network learned in 20 epochs of momentum, so it is Adam,
    which makes less of a longer gradient; the later paper's effect may come after 20 epochs.
"""

import dataclasses

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

DEPTH = 12
WITHOUT, WITH = "without", "with an auxiliary classifier"
START = "gradient at the first layer, with first weights"
EARLY = "gradient at the first layer, over the first epoch"
NORM = "length of the gradient at the first layer"


def _network(weight: float):
    class Network(keras.Model):
        def loss_of(self, y, logits):
            each = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            return each(y, logits["end"]) + weight * each(y, logits["middle"])  # pyright: ignore[reportOperatorIssue]

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return self.loss_of(y, y_pred)

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return super().compute_metrics(x, y, y_pred["end"], sample_weight)

    def build(shape, classes):
        x = images = keras.Input(shape)
        logits = {}
        for name in ("middle", "end"):
            for _ in range(DEPTH // 2):
                x = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(x)
            pooled = keras.layers.GlobalAveragePooling2D()(x)
            logits[name] = keras.layers.Dense(classes)(pooled)
        return Network(images, logits)

    return build


def measure(trial: Trial) -> Measured:
    """The first layer's gradient before each step of the first epoch, and errors at the end."""
    import tensorflow as tf

    sets = trial.sets()
    x, y = sets.train.x[:256], sets.train.y[:256]
    lengths: list[float] = []

    class Watch(keras.callbacks.Callback):
        @tf.function
        def length(self):
            with tf.GradientTape() as tape:
                loss = self.model.loss_of(y, self.model(x, training=True))  # pyright: ignore[reportOptionalMemberAccess, reportOptionalCall]
            return tf.norm(tape.gradient(loss, self.model.layers[1].kernel.value))  # pyright: ignore[reportOptionalMemberAccess]

        def on_train_batch_begin(self, batch, logs=None):
            if not self.model.history.epoch:  # None has ended yet.  # pyright: ignore[reportOptionalMemberAccess]
                lengths.append(float(self.length()))

    fitted = trial.fit(_network(trial.variant), sets=sets, callbacks=[Watch()])
    end = keras.Model(fitted.network.input, fitted.network.output["end"])
    found = dataclasses.replace(fitted, network=end).errors()
    values = {START: lengths[0], EARLY: sum(lengths) / len(lengths)}
    return Measured({**found.values, **values}, {NORM: (range(len(lengths)), lengths)})


EXPERIMENT = Experiment(
    group="training",
    variants={WITHOUT: 0.0, WITH: 0.3},
    measure=measure,
    claims=(
        # Twice is what a change of the rate would be noticed at; a point, 4 or 5 test images.
        Claim(measure=START, of=WITH, minus=WITHOUT, above=2, ratio=True),
        Claim(measure=EARLY, of=WITH, minus=WITHOUT, above=2, ratio=True),
        Claim(measure=TEST_ERROR, of=WITH, minus=WITHOUT, below=-1),
    ),
    plot=Curves(NORM, x="step"),
    small=Scale(
        minutes=2,
        recipe={"epochs": 20, "batch_size": 64, "learning_rate": 1e-3, "optimizer": "adam"},
    ),
)
