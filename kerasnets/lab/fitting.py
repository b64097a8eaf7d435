"""Trains a network that an experiment builds itself, on images that fit into memory.

A registered network is trained by `Trial.train`, as `kerasnets train` does it. This is for what no
registration has: a network of the experiment's own, one that was operated on, or one that is
watched while it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.images import Images, Sets
from kerasnets.lab.measures import GAP, TEST_ERROR, TRAINING_ERROR
from kerasnets.lazy import keras

if TYPE_CHECKING:
    import numpy as np

# Makes a network from an image's shape (height, width, channels) and the number of classes.
Builder = Callable[[tuple[int, int, int], int], "keras.Model"]


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
