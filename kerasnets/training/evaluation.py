"""Measuring a network on every image of a split, each exactly once."""

from __future__ import annotations

import keras

from kerasnets.data import evaluation_batches
from kerasnets.data.sources import Split
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.training.metrics import Metrics, measure


def evaluate(
    network: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    *,
    name: str = "test",
    batch_size: int = 250,
) -> Metrics:
    """The figures of a network on a split.

    Args:
        network: It returns logits, (N, classes).
        split: Of a `kerasnets.data.Dataset`.
        preprocessing: Of the network.
        name: Of the split.
        batch_size: Images at a time; it does not change the figures.

    Raises:
        UserError: When the split has labels that the network has no class for.
    """
    classes = network.output_shape[-1]
    if split.labels.max() >= classes:
        raise UserError(
            f"The split {name} has labels up to {split.labels.max()}, "
            f"the network only {classes} classes."
        )
    model = with_preprocessing(network, preprocessing)
    channels = network.input_shape[-1]
    batches = evaluation_batches(split, preprocessing, channels, batch_size=batch_size)
    logits = model.predict(batches.map(lambda images, labels: images), verbose=0)
    return measure(name, logits, split.labels)
