"""Measuring a network on every image of a split, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasnets.data import evaluation_batches
from kerasnets.data.sources import Split
from kerasnets.errors import UserError, unknown
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.training.metrics import Metrics, measure

CROPS = ("1", "10", "144", "dense")


def evaluate(
    network: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    *,
    name: str = "test",
    batch_size: int = 250,
    crops: str = "1",
    scales: Sequence[int] = (),
    real: Sequence[Sequence[int]] | None = None,
) -> Metrics:
    """The figures of a network on a split.

    Args:
        network: It returns logits, (N, classes).
        split: Of a `kerasnets.data.Dataset`.
        preprocessing: Of the network.
        name: Of the split.
        batch_size: Images, or crops, at a time; it does not change the figures.
        crops: ``"1"``: fitted as `preprocessing` says; ``"10"`` and ``"144"``: the average of the
            probabilities of this many crops (`kerasnets.data.views`); ``"dense"``: whole images
            and their mirror images, for a network that takes any size.
        scales: Short sides of dense evaluation, in pixels, whose probabilities are averaged; that
            of `preprocessing` by default.
        real: For each image its ReaL labels, see `kerasnets.training.labels.real_labels`.

    Raises:
        UserError: When the split has labels that the network has no class for, or is empty.
    """
    classes = network.output_shape[-1]
    _check(split, name, classes, crops)
    model = with_preprocessing(network, preprocessing)
    channels = network.input_shape[-1]
    if crops == "1":
        batches = evaluation_batches(split, preprocessing, channels, batch_size=batch_size)
        logits = model.predict(batches.map(lambda images, labels: images), verbose=0)
    elif crops == "dense":
        logits = _dense(model, split, preprocessing, scales or (preprocessing.resize_to,))
    else:
        logits = _in_crops(model, split, preprocessing, crops, batch_size)
    return measure(name, logits, split.labels, real=real)


def _check(split: Split, name: str, classes: int, crops: str) -> None:
    if crops not in CROPS:
        raise unknown("way to crop", crops, CROPS)
    if split.size == 0:
        raise UserError(f"The split {name} has no images.")
    if split.labels.max() >= classes:
        raise UserError(
            f"The split {name} has labels up to {split.labels.max()}, "
            f"the network only {classes} classes."
        )


def _in_crops(
    model: keras.Model, split: Split, preprocessing: Preprocessing, crops: str, batch_size: int
) -> np.ndarray:
    """Logarithms of the average probabilities over an image's crops."""
    from kerasnets.data.views import VIEWS, view_batches

    count, _ = VIEWS[crops]
    channels = model.input_shape[-1]
    at_once = max(1, batch_size // count)
    views = view_batches(split, preprocessing, channels, crops=crops, batch_size=at_once)
    flat = views.map(lambda each: tf.reshape(each, (-1, *preprocessing.size, channels)))
    logits = model.predict(flat, verbose=0)
    probabilities = _softmax(logits).reshape(split.size, count, -1)
    return np.log(probabilities.mean(axis=1))


def _dense(
    model: keras.Model, split: Split, preprocessing: Preprocessing, scales: Sequence[int]
) -> np.ndarray:
    """Logarithms of the average probabilities over sizes and mirror images.

    Source: Simonyan, Zisserman 2014, arXiv 1409.1556, section 3.2.
    """
    from kerasnets.data.views import whole_images

    channels = model.input_shape[-1]
    total = 0.0
    for scale in scales:
        pairs = whole_images(split, preprocessing, channels, scale=scale)
        logits = model.predict(pairs, verbose=0)
        total = total + _softmax(logits).reshape(split.size, 2, -1).mean(axis=1)
    return np.log(total / len(scales))


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
