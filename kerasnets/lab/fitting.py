"""Trains a network that an experiment builds itself, on images that fit into memory.

A registered network is trained by `Trial.train`, as `kerasnets train` does it. This is for what no
registration has: a network of the experiment's own, one that was operated on, or one that is
watched while it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasnets.lab.cells import Measured
from kerasnets.lab.measures import GAP, TEST_ERROR, TRAINING_ERROR
from kerasnets.lazy import keras

if TYPE_CHECKING:
    import numpy as np

    from kerasnets.data.sources.base import Split

# Makes a network from an image's shape (height, width, channels) and the number of classes.
Builder = Callable[[tuple[int, int, int], int], "keras.Model"]


class Images(NamedTuple):
    """Standardised images (N, H, W, C) float32 and their labels (N,) int32."""

    x: np.ndarray
    y: np.ndarray


class Sets(NamedTuple):
    """The images of a data set, for training and held out."""

    train: Images
    test: Images

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        _, height, width, channels = self.train.x.shape
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train.y.max()) + 1


def load(data: str, *, side: int | None = None, each_class: int | None = None) -> Sets:
    """The images of a data set, with the mean and deviation of its training images taken out.

    Args:
        data: Name of a data set whose images have one size.
        side: Height and width that they are enlarged or reduced to; their own if not given.
        each_class: Of each class the first so many training images alone; all if not given.
    """
    import numpy as np

    from kerasnets import data as sources

    splits = sources.load(data).splits
    train, test = (_pixels(splits[name]) for name in ("train", "test"))
    if each_class is not None:
        kept = [np.flatnonzero(train.y == label)[:each_class] for label in np.unique(train.y)]
        chosen = np.sort(np.concatenate(kept))
        train = Images(train.x[chosen], train.y[chosen])
    mean, deviation = train.x.mean((0, 1, 2)), train.x.std((0, 1, 2))
    sets = Sets(*(Images((each.x - mean) / deviation, each.y) for each in (train, test)))
    return Sets(*(_resized(each, side) for each in sets)) if side else sets


def _resized(images: Images, side: int) -> Images:
    resized = keras.ops.image.resize(images.x, (side, side), antialias=True)
    return Images(keras.ops.convert_to_numpy(resized), images.y)


def _pixels(split: Split) -> Images:
    import numpy as np

    from kerasnets.data import Pixels
    from kerasnets.errors import UserError

    if not isinstance(split.records, Pixels):
        raise UserError("This experiment takes a data set whose images all have one size.")
    return Images(split.records.values.astype("float32"), np.asarray(split.labels, "int32"))


@dataclass(frozen=True)
class Fitted:
    """A network that was trained.

    Attributes:
        network: The network.
        sets: The images.
        history: What Keras recorded of each epoch.
    """

    network: keras.Model
    sets: Sets
    history: dict[str, list[float]]

    def error(self, images: Images) -> float:
        """The error in inference mode, in per cent."""
        return error(self.network, images)

    def errors(self) -> Measured:
        """Training error by epoch, the last epoch's in training mode, the test error, the gap.

        The gap is that of the two errors in inference mode, so that dropout is in neither.
        """
        curve = [100 * (1 - each) for each in self.history["accuracy"]]
        test = self.error(self.sets.test)
        values = {
            TRAINING_ERROR: curve[-1],
            TEST_ERROR: test,
            GAP: test - self.error(self.sets.train),
        }
        return Measured(values, {TRAINING_ERROR: (range(1, len(curve) + 1), curve)})


def error(network: keras.Model, images: Images) -> float:
    """The error of a network in inference mode, in per cent."""
    return 100 * float((predict(network, images.x).argmax(-1) != images.y).mean())


def predict(network: keras.Model, x: np.ndarray) -> np.ndarray:
    """The network's answers, (N, classes)."""
    return network.predict(x, batch_size=256, verbose=0)  # pyright: ignore[reportArgumentType]


def fit(
    build: Builder,
    sets: Sets,
    *,
    seed: int,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 0.05,
    optimizer: str = "momentum",
    schedule: str = "cosine",
    loss: Any = None,
    callbacks: Sequence[Any] = (),
) -> Fitted:
    """Builds a network and trains it with these settings.

    Args:
        build: Makes the network; its answers are logits. All that it and the training draw comes
            from the seed.
        sets: The images.
        seed: Decides first weights, the order of the images and dropout.
        epochs: How many times each image is seen.
        batch_size: Images in a step.
        learning_rate: The largest.
        optimizer: ``"momentum"`` (0.9), ``"sgd"`` without it, or ``"adam"``.
        schedule: ``"cosine"`` down to zero, or ``"constant"``.
        loss: A Keras loss; cross-entropy if not given.
        callbacks: Keras callbacks, to look on.
    """
    import tensorflow as tf

    from kerasnets.training.process import seeded

    steps = max(1, len(sets.train.y) // batch_size)
    rate: Any = learning_rate
    if schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    optimizers = {
        "momentum": lambda: keras.optimizers.SGD(rate, momentum=0.9),
        "sgd": lambda: keras.optimizers.SGD(rate),
        "adam": lambda: keras.optimizers.Adam(rate),
    }
    batches = tf.data.Dataset.from_tensor_slices(tuple(sets.train))
    batches = batches.shuffle(len(sets.train.y), seed=seed).batch(batch_size)
    with seeded(seed):
        network = build(sets.shape, sets.classes)
        network.compile(
            optimizers[optimizer](),
            loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,  # pyright: ignore[reportArgumentType]
        )
        history = network.fit(
            batches.take(steps),
            epochs=epochs,
            shuffle=False,
            verbose=0,  # pyright: ignore[reportArgumentType]
            callbacks=list(callbacks),
        )
    return Fitted(network, sets, history.history)
