"""From the index of an image to what a network takes, inside a graph."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.augment import Augment, Crop
from kerasnets.data.graphs import as_written, traced_once
from kerasnets.data.sources.base import Split
from kerasnets.inputs import Preprocessing


def whole_images(
    split: Split, indices: Sequence[int] | np.ndarray, channels: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Some images as they are: the index of each, and its pixels, (H, W, channels) uint8, upright.

    They come in the order of their indices, in which some splits must be read.
    """
    order = np.unique(np.asarray(indices, np.int64))
    chosen = split.take(order)
    read = chosen.records.reader()
    for index, record in chosen.records.epoch(0, 1):
        image = read(index, record)
        if not chosen.records.hold_pixels:
            image = images.decode(image, channels)
        yield int(order[int(index)]), images.match_channels(image, channels).numpy()


class Loader:
    """Reads, crops and transforms the images of a split.

    Attributes:
        in_batches: Whether images are there decoded and fitted, so that whole batches can be
            gathered and transformed; otherwise they are read one by one.
    """

    def __init__(
        self, split: Split, preprocessing: Preprocessing, channels: int, augment: Augment
    ) -> None:
        self.read = split.records.reader()
        self.read_sides = split.records.sides_reader()
        self.hold_pixels = split.records.hold_pixels
        self.labels = tf.constant(split.labels)
        self.preprocessing = preprocessing
        self.channels = channels
        self.augment = augment
        ready = split.records.rows_of((*preprocessing.size, channels))
        alone = any(getattr(each, "one_by_one", False) for each in augment.transforms)
        self.in_batches = ready and not augment.crop and not alone

    @as_written
    def batch(
        self, draws: tf.Tensor, indices: tf.Tensor, records: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (N, H, W, C) uint8 of the network's size, and their labels."""
        pixels = self.read(indices, records)
        return self._transformed(pixels, draws), self.label(indices)

    def one(
        self, draws: tf.Tensor, index: tf.Tensor, record: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One image, (H, W, C) uint8 of the network's size, and its label."""
        found, label = self.several(draws[tf.newaxis], index[tf.newaxis], record[tf.newaxis])
        return found[0], label[0]

    @as_written
    def several(
        self, draws: tf.Tensor, indices: tf.Tensor, records: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `batch`, but each image is read and transformed by itself.

        Their number must be known when the graph is made. A call for each image would cost more.
        """
        crop = self.augment.crop
        each = list(zip(tf.unstack(indices), tf.unstack(records), strict=True))
        if crop:
            found = self._cropped(crop, each, draws[:, : crop.num_random])
            draws = draws[:, crop.num_random :]
        else:
            fitted = traced_once(self._fitted)
            found = [fitted(*one) for one in each]
        rows = tf.split(draws, len(each))
        transformed = traced_once(self._transformed)
        found = [
            transformed(image[tf.newaxis], row) for image, row in zip(found, rows, strict=True)
        ]
        return tf.concat(found, axis=0), self.label(indices)

    def draws(self, random: tf.Tensor) -> tf.Tensor:
        """What `batch` and `one` take, of random numbers (N, `Augment.num_random`)."""
        crop = self.augment.crop
        if crop is None:
            return random
        return tf.concat(
            [crop.draws(random[:, : crop.num_random]), random[:, crop.num_random :]], axis=1
        )

    def label(self, index: tf.Tensor) -> tf.Tensor:
        """Labels by indices."""
        return tf.gather(self.labels, index)

    def whole(self, index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        """One image as it is, (H, W, C) uint8."""
        found = self.read(index, record)
        if self.hold_pixels:
            return images.match_channels(found, self.channels)
        return images.decode(found, self.channels)

    def _fitted(self, index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        return images.fit(self.whole(index, record), self.preprocessing)

    def _cropped(
        self, crop: Crop, each: list[tuple[tf.Tensor, tf.Tensor]], draws: tf.Tensor
    ) -> list[tf.Tensor]:
        """The crops of images, given by index and record."""
        size = self.preprocessing.size

        def choose(sides: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
            return crop.windows(sides, size, tf.gather(draws, which))

        if self.hold_pixels:
            found = [self.whole(*one) for one in each]
            sides = tf.stack([tf.shape(image)[:2] for image in found])
            windows = tf.unstack(crop.windows(sides, size, draws), len(found))
            found = [images.cut(*one) for one in zip(found, windows, strict=True)]
        elif self.read_sides is None:
            files = [self.read(*one) for one in each]
            found = images.decode_windows(files, self.channels, choose, size)
        else:
            # One look into a record finds both.
            files, sides = zip(*(self.read_sides(record) for _, record in each), strict=True)
            sides = tf.cast(tf.stack(sides), tf.int32)
            found = images.decode_windows(list(files), self.channels, choose, size, sides)
        resize_crop = traced_once(functools.partial(images.resize_crop, size=size))
        return [resize_crop(image) for image in found]

    def _transformed(self, pixels: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        at = 0
        for transform in self.augment.transforms:
            pixels = transform(pixels, random[:, at : at + transform.num_random])
            at += transform.num_random
        return pixels
