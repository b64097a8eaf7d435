"""One-hot targets make a network over-confident.

Claim: One-hot targets drive the logits apart without limit, so that the network is surer than it is
    right; smoothed targets hold them together.
Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015, arXiv 1512.00567, section 7.
Published: Smoothing by 0.1 lowers the error on ImageNet by about 0.2 % (top-1 and top-5).
Expected: With one-hot targets a confidence above the accuracy by 2 points or more, and by 2 points
    or more above that with smoothed ones; logits that spread at least 1.5 times as far.
Simplifications: 10 images of each digit of scikit-learn, so that there are errors to be sure of; a
    small network of two convolutions. From so few, smoothing by 0.1 makes the network far less sure
    than it is right, and its calibration error is then the larger one; so that error is shown and
    not judged, and neither is the test error.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.measures import TEST_ERROR
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

SURPLUS = "confidence minus accuracy on test images, points"
CALIBRATION = "expected calibration error, %"
SPREAD = "largest logit minus mean of the others, on test images"


def _network(shape, classes):
    x = images = keras.Input(shape)
    for maps in (32, 64):
        x = keras.layers.Conv2D(maps, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dense(128, "relu")(keras.layers.Flatten()(x))
    return keras.Model(images, keras.layers.Dense(classes)(x))


def measure(trial: Trial) -> Measured:
    """How sure the network is of the test images, how often it is right, and its logits."""
    import numpy as np
    from scipy.special import log_softmax

    from kerasnets.evaluation.results import Scores
    from kerasnets.lab.fitting import predict
    from kerasnets.training.losses import CrossEntropy

    sets = trial.sets()
    fitted = trial.fit(_network, sets=sets, loss=CrossEntropy(trial.variant))
    logits = np.sort(predict(fitted.network, sets.test.x))
    scores = Scores.of(log_softmax(predict(fitted.network, sets.test.x), axis=-1), sets.test.y)
    values = {
        TEST_ERROR: fitted.error(sets.test),
        SURPLUS: 100 * float(scores.confidence.mean() - scores.correct.mean()),
        CALIBRATION: 100 * scores.calibration_error(),
        SPREAD: float((logits[:, -1] - logits[:, :-1].mean(1)).mean()),
    }
    return Measured(values)


EXPERIMENT = Experiment(
    group="training",
    variants={"one-hot": 0.0, "smoothed by 0.1": 0.1},
    measure=measure,
    claims=(
        Claim(measure=SURPLUS, of="one-hot", above=2),
        Claim(measure=SURPLUS, of="one-hot", minus="smoothed by 0.1", above=2),
        Claim(measure=SPREAD, of="one-hot", minus="smoothed by 0.1", above=1.5, ratio=True),
    ),
    plot=Bars((SURPLUS, CALIBRATION, SPREAD)),
    small=Scale(
        images={"each_class": 10},
        minutes=1,
        recipe={"epochs": 80, "batch_size": 10, "learning_rate": 1e-3, "optimizer": "adam"},
    ),
)
