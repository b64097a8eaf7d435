"""Measuring a network on every image of a split, each exactly once."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.data.bad_images import naming_bad_images
from kerasnets.data.pipeline import dense_batches, evaluation_batches
from kerasnets.data.sources import Split
from kerasnets.errors import UserError
from kerasnets.evaluation.metrics import Metrics, measure
from kerasnets.evaluation.results import softmax
from kerasnets.fast.rewriting import with_logits
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.inspection.memory import batch_within
from kerasnets.registry import registration

# Number of crops of an image.
CROP_COUNTS = {"ten": 10, "144": 144}


def evaluate(
    network: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    *,
    name: str = "test",
    batch_size: int | None = None,
    crops: str = "centre",
    scales: Sequence[int] = (),
    real: Sequence[Sequence[int]] | None = None,
) -> Metrics:
    """The figures of a network on a split.

    Args:
        network: Network of logits, (N, classes), or of their softmax; auxiliary classifiers are
            left out.
        split: Split of a `kerasnets.data.Dataset`.
        preprocessing: Preprocessing of the network.
        name: Name of the split.
        batch_size: Images, or crops, at a time; as many as `kerasnets.inspection.memory.BUDGET`
            allows by default. It does not change the figures.
        crops: ``"centre"``: fitted as `preprocessing` says; ``"ten"`` and ``"144"``: the average
            of the probabilities of this many crops (`kerasnets.data.crops`); ``"dense"``: whole
            images and their mirror images, for a network that takes any size.
        scales: Short sides of whole images in dense evaluation, in pixels; the probabilities are
            averaged over them. The one of `preprocessing` by default.
        real: ReaL labels of each image, see `kerasnets.evaluation.labels.real_labels`.

    Raises:
        UserError: When the split has labels that the network has no class for, or is empty, or
            there are no such crops, or an image cannot be read; the message names it.
    """
    how: dict[str, Any] = {"batch_size": batch_size, "crops": crops, "scales": scales}
    logits = logits_of_split(network, split, preprocessing, name=name, **how)
    return measure(name, logits, split.labels, real=real)


def logits_of_split(
    network: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    *,
    name: str = "test",
    batch_size: int | None = None,
    crops: str = "centre",
    scales: Sequence[int] = (),
    activation: str = "softmax",
) -> np.ndarray:
    """The logits of each image of a split, in its order: (N, outputs).

    Of several crops it is the logarithms of their average probabilities.

    Args:
        network: Network of logits, or of what `activation` makes of them; auxiliary classifiers
            are left out.
        split: Split of a `kerasnets.data.Dataset`.
        preprocessing: Preprocessing of the network.
        name: Name of the split, for messages.
        batch_size: As for `evaluate`.
        crops: As for `evaluate`.
        scales: As for `evaluate`.
        activation: What the task makes of logits, see `kerasnets.fast.rewriting.with_logits`.

    Raises:
        UserError: As `evaluate`.
    """
    network = with_logits(network, activation)
    _check(split, name, network.output_shape[-1])
    model = with_preprocessing(network, preprocessing)
    with naming_bad_images([split], model.input_shape[-1]):
        if crops == "dense":
            return _dense(model, split, preprocessing, scales or (preprocessing.resize_to,))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if batch_size is None:
            batch_size = batch_within(network, replicas=replicas, size=preprocessing.size)
        # Every device gets an image at least.
        at_once = max(1, batch_size // replicas) * replicas
        return _in_crops(model, split, preprocessing, crops, at_once, replicas)


def any_size(name: str) -> dict[str, object]:
    """The arguments of `kerasnets.build` that let a network take images of any size."""
    entry = registration(name)
    dense = "dense_head" in inspect.signature(entry.head).parameters
    channels = entry.info.input_shape[-1]
    return {"input_shape": (None, None, channels), **({"dense_head": "conv"} if dense else {})}


def _check(split: Split, name: str, classes: int) -> None:
    if split.size == 0:
        raise UserError(f"The split {name} has no images.")
    if not split.one_class:
        if split.labels.shape[1] != classes:
            raise UserError(
                f"The split {name} has {split.labels.shape[1]} numbers for each image, the "
                f"network {classes} outputs."
            )
        return
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
    model: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    crops: str,
    at_once: int,
    replicas: int,
) -> np.ndarray:
    """Logits; of several crops the logarithms of their average probabilities."""
    channels = model.input_shape[-1]
    count = CROP_COUNTS.get(crops, 1)
    together = max(1, at_once // count)
    batches = evaluation_batches(split, preprocessing, channels, batch_size=together, crops=crops)

    def flat(views: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tf.reshape(views, (-1, *preprocessing.size, channels))

    def filled(views: tf.Tensor) -> tf.Tensor:
        # Every device needs an image of the last batch too; the answers to these are cut off.
        missing = tf.math.floormod(-tf.shape(views)[0], replicas)
        return tf.concat([views, tf.repeat(views[:1], missing, axis=0)], 0)

    batches = batches.map(flat)
    if count > 1:
        # The crops of one image may be more than a batch.
        batches = batches.rebatch(at_once)
        # Keras warns where a set ends before the number of batches that TensorFlow reckons.
        steps = math.ceil(count * split.size / at_once)
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    logits = _predict(model, batches.map(filled))[: count * split.size]
    if count == 1:
        return logits
    return np.log(softmax(logits).reshape(split.size, count, -1).mean(axis=1))


def _dense(
    model: keras.Model, split: Split, preprocessing: Preprocessing, scales: Sequence[int]
) -> np.ndarray:
    """Logarithms of the average probabilities over sizes and mirror images.

    An image and its mirror image are computed at a time, since other images have other sizes.

    Source: Simonyan, Zisserman 2014, arXiv 1409.1556, section 3.2.
    """
    channels = model.input_shape[-1]
    total = 0.0
    for scale in scales:
        pairs = dense_batches(split, preprocessing, channels, side=scale)
        logits = _predict(model, pairs.map(lambda pair, label: pair))
        total = total + softmax(logits).reshape(split.size, 2, -1).mean(axis=1)
    return np.log(total / len(scales))


def _predict(model: keras.Model, batches: tf.data.Dataset) -> np.ndarray:
    # Keras' default, "auto", hides from type checkers that it takes numbers.
    return np.asarray(model.predict(batches, verbose=0))  # pyright: ignore[reportArgumentType]
