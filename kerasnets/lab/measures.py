"""What several experiments measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasnets.lab.cells import Measured
from kerasnets.lazy import keras

if TYPE_CHECKING:
    from kerasnets.lab.images import Images
    from kerasnets.runs.run import Run

TRAINING_ERROR = "training error, %"
TEST_ERROR = "test error, %"
GAP = "test minus training error, points"
# As many as a figure shows of a curve by steps.
MOST_POINTS = 400


def errors(run: Run) -> Measured:
    """Training error by epoch, the last epoch's, that of the held-out images, and their gap.

    The training error is that of the steps of an epoch, as papers draw it: in training mode, on
    augmented images, while the weights change.
    """
    curve = training_error(run)
    test = 100 * (1 - float(run.metrics()["top1"]))  # pyright: ignore[reportArgumentType]
    last = curve[1][-1]
    return Measured(
        {TRAINING_ERROR: last, TEST_ERROR: test, GAP: test - last}, {TRAINING_ERROR: curve}
    )


def training_error(run: Run) -> tuple[list[float], list[float]]:
    """Epochs, and the training error of each in per cent."""
    history = run.history()
    return list(history["epoch"]), [100 * (1 - each) for each in history["accuracy"]]


class Steps:
    """The training error of each step, as its images give it in training mode.

    Attributes:
        callback: Notes them; for `Trial.fit`.
        window: Over how many last steps an error is the mean.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self._errors: list[float] = []
        self._sum = 0.0
        self.callback = keras.callbacks.LambdaCallback(on_train_batch_end=self._note)

    def _note(self, batch: int, logs: dict[str, float]) -> None:
        # Keras tells the mean accuracy since the epoch began.
        before = self._sum if batch else 0.0
        self._sum = logs["accuracy"] * (batch + 1)
        self._errors.append(100 * (1 - (self._sum - before)))

    @property
    def curve(self) -> tuple[list[int], list[float]]:
        """Steps, evenly chosen, and the mean error of the window that ends there, in per cent."""
        steps, means = self._means()
        every = max(1, -(-len(steps) // MOST_POINTS))
        return steps[::every], means[::every]

    def _means(self) -> tuple[list[int], list[float]]:
        """All steps that end a window, and its mean error."""
        window = min(self.window, len(self._errors))
        ends = range(window, len(self._errors) + 1)
        means = [sum(self._errors[end - window : end]) / window for end in ends]
        return list(ends), means

    def until(self, error: float) -> float:
        """Steps until the mean error is below this one; all steps where it never is."""
        steps, errors = self._means()
        found = (step for step, own in zip(steps, errors, strict=True) if own < error)
        return float(next(found, steps[-1]))


def gradient_norm(network: keras.Model, images: Images, layer: str) -> float:
    """Norm of the gradient of the mean cross-entropy with respect to a layer's kernel."""
    import tensorflow as tf

    kernel = network.get_layer(layer).kernel.value
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(
            images.y, network(images.x, training=True), from_logits=True
        )
        loss = keras.ops.mean(losses)
    return float(keras.ops.norm(keras.ops.ravel(tape.gradient(loss, kernel))))
