"""Numbers as targets: standardized in training, and the weights that give them in their units.

A network learns numbers of mean 0 and deviation 1 at the same rates as logits, whatever the unit.
Its last layer is linear, so that its weights can be scaled to give the numbers themselves.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasnets.data.sources import Split
from kerasnets.errors import UserError
from kerasnets.fast.rewriting import classifying_layer, predictions_of
from kerasnets.private import maker_of
from kerasnets.tasks import Task

# What may stand between the last layer with weights and the answers: it lets any number through.
LETS_THROUGH = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Dropout,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """The units of the numbers that a network learns.

    Attributes:
        mean: Of each number over the training images, (numbers,).
        deviation: Standard deviation of each, (numbers,); 1 where all are alike.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, task: Task, split: Split) -> Units | None:
        """The units of a task's labels; ``None`` where they are no numbers."""
        if task.answers != "values":
            return None
        labels = split.labels.astype(np.float64)
        deviation = labels.std(axis=0)
        return cls(labels.mean(axis=0), np.where(deviation > 0, deviation, 1.0))

    def standardized(self, split: Split) -> Split:
        """The split with labels of mean 0 and deviation 1, by those of the training images."""
        labels = ((split.labels - self.mean) / self.deviation).astype(np.float32)
        return dataclasses.replace(split, labels=labels)


@contextlib.contextmanager
def in_units(network: keras.Model, units: Units | None) -> Iterator[None]:
    """Gives the network the weights by which it answers in these units; its own come back."""
    if units is None:
        yield
        return
    layer = classifying_layer(network)
    own = layer.get_weights()
    kernel, bias = own
    layer.set_weights([kernel * units.deviation, bias * units.deviation + units.mean])
    try:
        yield
    finally:
        layer.set_weights(own)


def from_units(network: keras.Model, units: Units) -> None:
    """Turns weights that answer in these units into those that training has: `in_units`, back."""
    layer = classifying_layer(network)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel / units.deviation, (bias - units.mean) / units.deviation])


def check_head(network: keras.Model, task: Task) -> None:
    """Raises a `UserError` where a network cannot give what the task needs.

    Args:
        network: Network of logits.
        task: With another activation than softmax any number must be a possible logit.
    """
    if task.activation == "softmax":
        return
    last: Any = classifying_layer(network)
    layer = maker_of(predictions_of(network))
    while layer is not last and isinstance(layer, LETS_THROUGH):
        layer = maker_of(keras.tree.flatten(layer.input)[0])
    linear = isinstance(last, (keras.layers.Dense, keras.layers.Conv2D))
    linear = linear and last.activation is keras.activations.linear and last.use_bias
    if layer is not last or not linear:
        raise UserError(
            f"{network.name} cannot be trained for {task.name}: it must end in a dense or "
            f"convolutional layer with biases and without an activation. Found: {layer.name} "
            f"({type(layer).__name__})."
        )
