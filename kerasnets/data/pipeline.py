"""From a split to batches of uint8 images: for training without end, for evaluation once."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.augment import TRANSFORMS, Transform
from kerasnets.data.sources import Split
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing

# Decoded images are kept in memory up to this size; above it they are decoded every epoch.
MEMORY_BUDGET_BYTES = 2 * 2**30


def read(split: Split, preprocessing: Preprocessing, channels: int) -> Split:
    """The split with its images decoded and fitted, if they fit into memory; else as it is.

    Raises:
        UserError: When an image cannot be read; the message names the file.
    """
    height, width = preprocessing.size
    if split.size * height * width * channels > MEMORY_BUDGET_BYTES:
        return split
    loader = _Loader(split, preprocessing, channels)
    indices = tf.data.Dataset.range(split.size)
    batches = indices.map(loader, tf.data.AUTOTUNE).batch(1024).prefetch(1)
    pixels = np.empty((split.size, height, width, channels), np.uint8)
    at = 0
    try:
        for batch in batches.as_numpy_iterator():
            pixels[at : at + len(batch)] = batch
            at += len(batch)
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        raise _unreadable(split, channels, error) from error
    return Split(pixels, split.labels, "array")


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Whole batches in a training split.

    Raises:
        UserError: When the split is smaller than a batch.
    """
    if split.size < batch_size:
        raise UserError(
            f"The batch of {batch_size} is larger than the {split.size} training images."
        )
    return split.size // batch_size


def training_batches(
    split: Split,
    preprocessing: Preprocessing,
    channels: int,
    *,
    batch_size: int,
    augment: str = "none",
    seed: int = 0,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Batches of (images uint8, labels int32) for training, without end.

    Every epoch has ``split.size // batch_size`` batches in an order of its own. Order and
    augmentation depend on (seed, epoch, image) alone, so a run can go on from any step.

    Args:
        split: What to train on, best decoded by `read`.
        preprocessing: Of the network: its size.
        channels: Of the network.
        augment: A name from `kerasnets.data.augment.TRANSFORMS`.
        first_step: Batches that an earlier run has seen.

    Raises:
        UserError: When the split is smaller than a batch.
    """
    steps = steps_per_epoch(split, batch_size)
    loader = _Loader(split, preprocessing, channels)
    transform = TRANSFORMS[augment]
    labels = tf.constant(split.labels)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        order, random = _draws(seed, epoch, split.size, transform)
        batches = tf.data.Dataset.from_tensor_slices(order).batch(batch_size, drop_remainder=True)

        def assemble(indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = loader.batch(indices)
            if transform.numbers:
                pixels = transform.function(pixels, tf.gather(random, indices))
            return pixels, tf.gather(labels, indices)

        return batches.map(assemble, tf.data.AUTOTUNE)

    epochs = tf.data.Dataset.counter(first_step // steps)
    return epochs.flat_map(one_epoch).skip(first_step % steps).prefetch(tf.data.AUTOTUNE)


def _draws(
    seed: int, epoch: tf.Tensor, size: int, transform: Transform
) -> tuple[tf.Tensor, tf.Tensor]:
    """The order of an epoch, and each image's random numbers."""
    key = tf.stack([tf.cast(seed, tf.int64), epoch])
    order = tf.random.experimental.stateless_shuffle(tf.range(size), key)
    random = tf.random.stateless_uniform((size, transform.numbers), key)
    return order, random


def evaluation_batches(
    split: Split, preprocessing: Preprocessing, channels: int, *, batch_size: int
) -> tf.data.Dataset:
    """Batches of (images uint8, labels int32), each image once and in order; the last is smaller.

    Args:
        split: What to evaluate on.
        preprocessing: Of the network: how images are fitted to its size.
        channels: Of the network.
    """
    loader = _Loader(split, preprocessing, channels)
    batches = tf.data.Dataset.range(split.size).batch(batch_size)
    labels = tf.constant(split.labels)
    return batches.map(
        lambda indices: (loader.batch(indices), tf.gather(labels, indices)), tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)


class _Loader:
    """Reads the images of a split by index, inside a graph."""

    def __init__(self, split: Split, preprocessing: Preprocessing, channels: int) -> None:
        self.records = tf.constant(split.records)
        self.kind = split.kind
        self.preprocessing = preprocessing
        self.channels = channels
        # Images that `read` has prepared are gathered, not fitted again.
        shape = (*preprocessing.size, channels)
        self.ready = split.kind == "array" and split.records.shape[1:] == shape

    def __call__(self, index: tf.Tensor) -> tf.Tensor:
        """One image, (H, W, C) uint8 of the network's size."""
        image = tf.gather(self.records, index)
        if self.kind == "path":
            image = tf.io.read_file(image)
        if self.kind != "array":
            image = images.decode(image, self.channels)
        image = images.match_channels(image, self.channels)
        return images.fit(image, self.preprocessing)

    def batch(self, indices: tf.Tensor) -> tf.Tensor:
        """Images by their indices, (N, H, W, C) uint8 of the network's size."""
        if self.ready:
            return tf.gather(self.records, indices)
        shape = (*self.preprocessing.size, self.channels)
        return tf.map_fn(
            self, indices, fn_output_signature=tf.TensorSpec(shape, tf.uint8), parallel_iterations=8
        )


def _unreadable(split: Split, channels: int, error: Exception) -> UserError:
    """An error that names the first image that cannot be read."""
    for index, record in enumerate(split.records):
        try:
            encoded = tf.io.read_file(record) if split.kind == "path" else tf.constant(record)
            images.decode(encoded, channels)
        except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as found:
            name = repr(str(record)) if split.kind == "path" else f"image {index}"
            reason = " ".join(found.message.split())[:160]
            return UserError(f"{name} cannot be read as an image: {reason}")
    return UserError(f"An image cannot be read: {error}")
