"""Measuring a network on every image of a split, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasnets.data.bad_images import naming_bad_images
from kerasnets.data.pipeline import dense_batches, evaluation_batches
from kerasnets.data.sources import Split
from kerasnets.errors import UserError
from kerasnets.evaluation.metrics import Metrics, measure
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.models.network import rebuilt_like

# Crops of an image.
CROP_COUNTS = {"ten": 10, "144": 144}


def evaluate(
    network: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    *,
    name: str = "test",
    batch_size: int = 250,
    crops: str = "centre",
    scales: Sequence[int] = (),
    real: Sequence[Sequence[int]] | None = None,
) -> Metrics:
    """The figures of a network on a split.

    Args:
        network: It returns logits, (N, classes); of side classifiers' too those of the last one.
        split: Of a `kerasnets.data.Dataset`.
        preprocessing: Of the network.
        name: Of the split.
        batch_size: Images, or crops, at a time; it does not change the figures.
        crops: ``"centre"``: fitted as `preprocessing` says; ``"ten"`` and ``"144"``: the average
            of the probabilities of this many crops (`kerasnets.data.crops`); ``"dense"``: whole
            images and their mirror images, for a network that takes any size.
        scales: Short sides of dense evaluation, in pixels, whose probabilities are averaged; that
            of `preprocessing` by default.
        real: For each image its ReaL labels, see `kerasnets.evaluation.labels.real_labels`.

    Raises:
        UserError: When the split has labels that the network has no class for, or is empty, or
            there are no such crops, or an image cannot be read; the message names it.
    """
    network = without_side_classifiers(network)
    _check(split, name, network.output_shape[-1])
    model = with_preprocessing(network, preprocessing)
    with naming_bad_images([split], model.input_shape[-1]):
        if crops == "dense":
            logits = _dense(model, split, preprocessing, scales or (preprocessing.resize_to,))
        else:
            logits = _in_crops(model, split, preprocessing, crops, batch_size)
    return measure(name, logits, split.labels, real=real)


def without_side_classifiers(network: keras.Model) -> keras.Model:
    """The network with its predictions as its one output; it shares the weights."""
    if not isinstance(network.output, dict):
        return network
    return rebuilt_like(network, network.inputs, network.output["predictions"])


def _check(split: Split, name: str, classes: int) -> None:
    if split.size == 0:
        raise UserError(f"The split {name} has no images.")
    if split.labels.min() < 0:
        raise UserError(
            f"The split {name} has images without a label: labels down to {split.labels.min()}, "
            "expected 0 and more."
        )
    if split.labels.max() >= classes:
        raise UserError(
            f"The split {name} has labels up to {split.labels.max()}, "
            f"the network only {classes} classes."
        )


def _in_crops(
    model: keras.Model, split: Split, preprocessing: Preprocessing, crops: str, batch_size: int
) -> np.ndarray:
    """Logits; of several crops the logarithms of their average probabilities."""
    channels = model.input_shape[-1]
    count = CROP_COUNTS.get(crops, 1)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    at_once = max(1, batch_size // count // replicas) * replicas
    batches = evaluation_batches(split, preprocessing, channels, batch_size=at_once, crops=crops)

    def whole(views: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        # Every device needs an image of the last batch too; the answers to these are cut off.
        missing = -tf.shape(views)[0] % replicas
        views = tf.concat([views, tf.repeat(views[:1], missing, axis=0)], 0)
        return tf.reshape(views, (-1, *preprocessing.size, channels))

    logits = model.predict(batches.map(whole), verbose=0)[: count * split.size]
    if count == 1:
        return logits
    return np.log(_softmax(logits).reshape(split.size, count, -1).mean(axis=1))


def _dense(
    model: keras.Model, split: Split, preprocessing: Preprocessing, scales: Sequence[int]
) -> np.ndarray:
    """Logarithms of the average probabilities over sizes and mirror images.

    Source: Simonyan, Zisserman 2014, arXiv 1409.1556, section 3.2.
    """
    channels = model.input_shape[-1]
    total = 0.0
    for scale in scales:
        pairs = dense_batches(split, preprocessing, channels, side=scale)
        logits = model.predict(pairs.map(lambda pair, label: pair), verbose=0)
        total = total + _softmax(logits).reshape(split.size, 2, -1).mean(axis=1)
    return np.log(total / len(scales))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
