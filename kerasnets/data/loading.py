"""From the index of an image to what a network takes, inside a graph."""

from __future__ import annotations

import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.augment import Augment
from kerasnets.data.sources.base import Split
from kerasnets.inputs import Preprocessing


class Loader:
    """Reads, crops and transforms the images of a split by index.

    Attributes:
        in_batches: Whether images are there decoded and fitted, so that whole batches can be
            gathered and transformed; otherwise they are read one by one.
    """

    def __init__(
        self, split: Split, preprocessing: Preprocessing, channels: int, augment: Augment
    ) -> None:
        self.records = tf.constant(split.records)
        self.labels = tf.constant(split.labels)
        self.kind = split.kind
        self.preprocessing = preprocessing
        self.channels = channels
        self.augment = augment
        shape = (*preprocessing.size, channels)
        ready = split.kind == "array" and split.records.shape[1:] == shape
        alone = any(getattr(each, "one_by_one", False) for each in augment.transforms)
        self.in_batches = ready and not augment.crop and not alone

    def batch(self, random: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (N, H, W, C) uint8 of the network's size, and their labels."""
        pixels = tf.gather(self.records, indices)
        return self._transformed(pixels, random), tf.gather(self.labels, indices)

    def one(self, random: tf.Tensor, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One image, (H, W, C) uint8 of the network's size, and its label."""
        crop = self.augment.crop
        numbers = crop.numbers if crop else 0
        record = tf.gather(self.records, index)
        image = self._cropped(record, random[:numbers]) if crop else self._fitted(record)
        if self.augment.transforms:
            image = self._transformed(image[tf.newaxis], random[tf.newaxis, numbers:])[0]
        return image, tf.gather(self.labels, index)

    def _fitted(self, record: tf.Tensor) -> tf.Tensor:
        if self.kind == "array":
            image = images.match_channels(record, self.channels)
        else:
            image = images.decode(self._encoded(record), self.channels)
        return images.fit(image, self.preprocessing)

    def _cropped(self, record: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        size = self.preprocessing.size

        def choose(sides: tf.Tensor) -> tf.Tensor:
            return self.augment.crop.window(sides, size, random)

        if self.kind == "array":
            image = images.match_channels(record, self.channels)
            image = images.cut(image, choose(tf.shape(image)[:2]))
        else:
            image = images.decode_window(self._encoded(record), self.channels, choose)
        return images.resize_crop(image, size)

    def _encoded(self, record: tf.Tensor) -> tf.Tensor:
        return tf.io.read_file(record) if self.kind == "path" else record

    def _transformed(self, pixels: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        at = 0
        for transform in self.augment.transforms:
            pixels = transform(pixels, random[:, at : at + transform.numbers])
            at += transform.numbers
        return pixels
