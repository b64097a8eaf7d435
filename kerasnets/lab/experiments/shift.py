"""Pooling makes a network less sensitive to shifts, though not indifferent to them.

Claim: A network with max pooling errs less on shifted images, which it was not trained on, than
    one that halves its maps by strided convolutions; it errs more on them than on centred ones.
Source: Zhang 2019, arXiv 1904.11486, for the limits; the claim is that of
    textbooks.
Expected: At a shift of 1 pixel a test error of max pooling that is 5 points or more below that of
    strides, and 5 points or more above that without a shift.
Simplifications: The digits of scikit-learn, 8x8, in the middle of 16x16 pixels, so that shifts of
    up to 4 pixels cut nothing off; means over the four directions. Two convolutions with ReLUs,
    each followed by pooling or strided itself, and one dense layer on the flattened maps: the same
    weights' shapes. Networks whose classifier takes the average of each map are less sensitive by
    that alone.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Curves
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

MARGIN = 4
BY_SHIFT = "test error, %, mean of 4 directions"
AT_ONE = "test error at a shift of 1 pixel, %"
RISE = "test error at a shift of 1 pixel, points above none"
CHANGE = "change of the last maps by a shift of 1 pixel, of their norm"
VARIANTS = {"max pooling": "max", "average pooling": "average", "strides": None}


def measure(trial: Trial) -> Measured:
    """The error by the number of pixels that images are shifted, and how much the maps change."""
    import numpy as np

    from kerasnets.lab.fitting import predict
    from kerasnets.lab.images import Images, Sets

    def centred(images: Images) -> Images:
        margin = (MARGIN, MARGIN)
        x = np.pad(images.x, ((0, 0), margin, margin, (0, 0)), constant_values=images.x.min())
        return Images(x, images.y)

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        pools = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
        pool = pools.get(trial.variant)
        x = image = keras.Input(shape)
        for filters in (16, 32):
            x = keras.layers.Conv2D(
                filters, 3, 1 if pool else 2, padding="same", activation="relu"
            )(x)  # fmt: skip
            x = pool(2)(x) if pool else x
        x = keras.layers.Flatten(name="maps")(x)
        return keras.Model(image, keras.layers.Dense(classes)(x))

    fitted = trial.fit(build, sets=Sets(*map(centred, trial.sets())))
    x, y = fitted.sets.test

    def shifted(pixels: int) -> list[np.ndarray]:
        # The margin is as wide as the largest shift, so that only background is rolled around.
        return [np.roll(x, sign * pixels, axis) for axis in (1, 2) for sign in (1, -1)]

    shifts = range(MARGIN + 1)
    curve = [
        float(np.mean([fitted.error(Images(each, y)) for each in shifted(pixels)]))
        for pixels in shifts
    ]
    maps = keras.Model(fitted.network.input, fitted.network.get_layer("maps").output)
    still, norm = predict(maps, x), np.linalg.norm
    change = np.mean([norm(predict(maps, each) - still) / norm(still) for each in shifted(1)])
    values = {AT_ONE: curve[1], RISE: curve[1] - curve[0], CHANGE: float(change)}
    return Measured(values, {BY_SHIFT: (shifts, curve)})


EXPERIMENT = Experiment(
    group="surgery",
    variants=VARIANTS,
    measure=measure,
    claims=(
        Claim(measure=AT_ONE, of="max pooling", minus="strides", below=-5),
        Claim(measure=RISE, of="max pooling", above=5),
    ),
    plot=Curves(BY_SHIFT, x="shift, pixels"),
    small=Scale(minutes=1, recipe={"epochs": 15, "optimizer": "adam", "learning_rate": 0.003}),
)
