"""Mean, deviation and principal axes of a data set's colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnets.data.augment import Augment
from kerasnets.data.bad_images import naming_bad_images
from kerasnets.data.loading import Loader
from kerasnets.data.sources.base import Split
from kerasnets.inputs import Preprocessing


@dataclass(frozen=True)
class Statistics:
    """Statistics of pixels in [0, 1], each image with the same weight.

    Attributes:
        mean: The mean of each channel.
        std: The standard deviation of each channel.
        values: Standard deviations along the principal axes, the largest first.
        vectors: (C, C), the axes as columns.
    """

    mean: np.ndarray
    std: np.ndarray
    values: np.ndarray
    vectors: np.ndarray


def statistics(split: Split, channels: int = 3) -> Statistics:
    """Reads every image once, as it is.

    Args:
        split: The images; best those for training.
        channels: 1 for grayscale, 3 for RGB.

    Raises:
        UserError: When an image cannot be read; the message names it.
    """
    loader = Loader(split, Preprocessing(size=(1, 1)), channels, Augment())

    def moments(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.reshape(tf.cast(loader.whole(index, record), tf.float32), (-1, channels))
        count = tf.cast(tf.shape(pixels)[0], tf.float32)
        pixels /= 255.0
        second = tf.linalg.matmul(pixels, pixels, transpose_a=True) / count
        return tf.reduce_mean(pixels, axis=0), second

    first, second = np.zeros(channels), np.zeros((channels, channels))
    with naming_bad_images([split], channels):
        found = split.records.epoch(0, 1).map(moments, tf.data.AUTOTUNE)
        for one, two in found.as_numpy_iterator():
            first += one / split.size
            second += two / split.size
    covariance = second - np.outer(first, first)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1]
    return Statistics(
        mean=first,
        # Rounded, that of a channel which is the same everywhere may be less than nothing.
        std=np.sqrt(np.maximum(np.diag(covariance), 0.0)),
        values=np.sqrt(np.maximum(values[order], 0.0)),
        vectors=vectors[:, order],
    )
