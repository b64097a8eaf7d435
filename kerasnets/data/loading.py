"""From the number of an image to what a network takes, inside a graph."""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.augment import Augment
from kerasnets.data.sources.base import ShardedSplit, Split
from kerasnets.inputs import Preprocessing

# Files that are read at the same time; records that are shuffled together, and their bytes.
READ_AT_ONCE = 16
SHUFFLED_TOGETHER = 2048
SHUFFLED_BYTES = 2**28


# Called while graphs are traced; there is nothing in it that AutoGraph would have to rewrite.
@tf.autograph.experimental.do_not_convert
def numbers(
    split: Split, worker: int, workers: int, key: tf.Tensor | None = None
) -> tf.data.Dataset:
    """A worker's part of an epoch: (number, record) of each image, undecoded.

    Args:
        split: Whose images.
        worker: From 0.
        workers: That the images are divided among.
        key: (2,) int64 for the order; as they are stored if ``None``.

    Returns:
        Numbers int64 within the split. Records are empty where `Reader` finds images by number.
    """
    if isinstance(split, ShardedSplit):
        return _from_shards(split, worker, workers, key)
    return without_records(order(split, worker, workers, key))


def order(split: Split, worker: int, workers: int, key: tf.Tensor | None = None) -> tf.Tensor:
    """A worker's numbers of an epoch, int64, of a split whose images are found by number."""
    found = tf.range(split.size, dtype=tf.int64)
    if key is not None:
        found = tf.random.experimental.stateless_shuffle(found, key)
    return found[worker::workers]


def without_records(numbers: tf.Tensor) -> tf.data.Dataset:
    """(number, record) of each, or of each row of numbers; the records are empty."""
    numbers = tf.data.Dataset.from_tensor_slices(numbers)
    # Zipped, not mapped: a function for each image costs more than all else here.
    return tf.data.Dataset.zip((numbers, tf.data.Dataset.from_tensors(b"").repeat()))


def _from_shards(
    split: ShardedSplit, worker: int, workers: int, key: tf.Tensor | None
) -> tf.data.Dataset:
    """Files are read side by side from their beginnings, in another order each epoch."""
    files = tf.constant([os.fsencode(file) for file in split.files])
    ends = np.cumsum(split.counts)
    starts = tf.constant(ends - split.counts, tf.int64)
    position = np.full(sum(split.counts), -1, np.int64)
    position[split.records] = np.arange(split.size)
    position = tf.constant(position)
    # Files without any of these images are not opened.
    order = np.unique(np.searchsorted(ends, split.records, side="right"))
    by_file = len(split.files) >= workers
    if by_file:
        order = order[order % workers == worker]
    order = tf.constant(order, tf.int32)
    if key is not None:
        order = tf.random.experimental.stateless_shuffle(order, key)

    together = 64 if key is None else _shuffled_together(split)

    def one_file(file: tf.Tensor) -> tf.data.Dataset:
        # Some at a time, since handing over is what costs.
        return (
            tf.data.TFRecordDataset(files[file]).enumerate(starts[file]).batch(-(-together // 64))
        )

    def chosen(
        block: tf.Tensor, records: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Those of a block of records that belong to the split and the worker, shuffled."""
        number = tf.gather(position, records[0])
        wanted = tf.where((number >= 0) & (by_file | (number % workers == worker)))[:, 0]
        if key is not None:
            # Keys of epochs have small second numbers.
            own_key = key + tf.stack([0, (block + 1) * 2**32])
            wanted = tf.random.experimental.stateless_shuffle(wanted, own_key)
        return tf.gather(number, wanted), tf.gather(records[1], wanted)

    found = tf.data.Dataset.from_tensor_slices(order).interleave(
        one_file,
        cycle_length=1 if key is None else READ_AT_ONCE,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    # Shuffled block by block, since the order of `shuffle` depends on TensorFlow's global seed.
    blocks = found.rebatch(together)
    return blocks.enumerate().map(chosen).unbatch()


def _shuffled_together(split: ShardedSplit) -> int:
    """Records of a block: fewer of large images, judged by the first file."""
    mean_bytes = tf.io.gfile.stat(split.files[0]).length / max(1, split.counts[0])
    return max(1, min(SHUFFLED_TOGETHER, int(SHUFFLED_BYTES / mean_bytes)))


class Reader:
    """Finds the images of a split by number.

    Attributes:
        holds_pixels: Whether the images are there decoded; otherwise `encoded` gives the bytes of
            image files.
    """

    def __init__(self, split: Split) -> None:
        self.split = split
        self.holds_pixels = split.kind == "array"
        if split.kind == "path":
            self.records = tf.constant([os.fsencode(path) for path in split.records])
        elif split.kind == "bytes" or (self.holds_pixels and not self._on_disk):
            self.records = tf.constant(split.records)

    @property
    def _on_disk(self) -> bool:
        return isinstance(self.split.records, np.memmap)

    def pixels(self, number: tf.Tensor) -> tf.Tensor:
        """Images (..., H, W, C) uint8 by numbers (...)."""
        if not self._on_disk:
            return tf.gather(self.records, number)
        records = self.split.records
        found = tf.numpy_function(lambda at: np.asarray(records[at]), [number], tf.uint8)
        return tf.ensure_shape(found, [*number.shape, *records.shape[1:]])

    def encoded(self, number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        """The bytes of an image file, of what `numbers` gives."""
        if self.split.kind == "path":
            return tf.io.read_file(tf.gather(self.records, number))
        if self.split.kind == "bytes":
            return tf.gather(self.records, number)
        if self.split.kind == "rows":
            found = tf.numpy_function(self.split.records.fetch, [number], tf.string)
            return tf.ensure_shape(found, ())
        return self.split.encoded(record)

    def several(
        self, each: list[tuple[tf.Tensor, tf.Tensor]]
    ) -> tuple[list[tf.Tensor], tf.Tensor | None]:
        """The bytes of N image files, and their sides (N, 2) int32 where records tell them.

        See `ShardedSplit.with_sides`.
        """
        if not isinstance(self.split, ShardedSplit) or self.split.with_sides is None:
            return [self.encoded(*one) for one in each], None
        # One look into a record finds both.
        files, sides = zip(*(self.split.with_sides(record) for _, record in each), strict=True)
        return list(files), tf.cast(tf.stack(sides), tf.int32)


class Loader:
    """Reads, crops and transforms the images of a split.

    Attributes:
        in_batches: Whether images are there decoded and fitted, so that whole batches can be
            gathered and transformed; otherwise they are read one by one.
    """

    def __init__(
        self, split: Split, preprocessing: Preprocessing, channels: int, augment: Augment
    ) -> None:
        self.reader = Reader(split)
        self.labels = tf.constant(split.labels)
        self.preprocessing = preprocessing
        self.channels = channels
        self.augment = augment
        shape = (*preprocessing.size, channels)
        ready = self.reader.holds_pixels and split.records.shape[1:] == shape
        alone = any(getattr(each, "one_by_one", False) for each in augment.transforms)
        self.in_batches = ready and not augment.crop and not alone

    def batch(
        self, draws: tf.Tensor, numbers: tf.Tensor, records: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (N, H, W, C) uint8 of the network's size, and their labels."""
        pixels = self.reader.pixels(numbers)
        return self._transformed(pixels, draws), self.label(numbers)

    def one(
        self, draws: tf.Tensor, number: tf.Tensor, record: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One image, (H, W, C) uint8 of the network's size, and its label."""
        found, label = self.several(draws[tf.newaxis], number[tf.newaxis], record[tf.newaxis])
        return found[0], label[0]

    def several(
        self, draws: tf.Tensor, numbers: tf.Tensor, records: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `batch`, but each image is read and transformed by itself.

        Their number must be known when the graph is made. A call for each image would cost more.
        """
        crop = self.augment.crop
        each = list(zip(tf.unstack(numbers), tf.unstack(records), strict=True))
        if crop:
            found = self._cropped(each, draws[:, : crop.numbers])
            draws = draws[:, crop.numbers :]
        else:
            found = [images.fit(self.whole(*one), self.preprocessing) for one in each]
        rows = tf.split(draws, len(each))
        found = [
            self._transformed(image[tf.newaxis], row)
            for image, row in zip(found, rows, strict=True)
        ]
        return tf.concat(found, axis=0), self.label(numbers)

    def draws(self, random: tf.Tensor) -> tf.Tensor:
        """What `batch` and `one` take, of random numbers (N, `Augment.numbers`)."""
        crop = self.augment.crop
        if crop is None:
            return random
        return tf.concat([crop.draws(random[:, : crop.numbers]), random[:, crop.numbers :]], axis=1)

    def label(self, number: tf.Tensor) -> tf.Tensor:
        """Labels by numbers."""
        return tf.gather(self.labels, number)

    def whole(self, number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        """One image as it is, (H, W, C) uint8."""
        if self.reader.holds_pixels:
            return images.match_channels(self.reader.pixels(number), self.channels)
        return images.decode(self.reader.encoded(number, record), self.channels)

    def _cropped(
        self, each: list[tuple[tf.Tensor, tf.Tensor]], draws: tf.Tensor
    ) -> list[tf.Tensor]:
        """The crops of images, given by number and record."""
        size = self.preprocessing.size

        def choose(sides: tf.Tensor, which: slice) -> tf.Tensor:
            return self.augment.crop.windows(sides, size, draws[which])

        if self.reader.holds_pixels:
            found = [self.whole(*one) for one in each]
            sides = tf.stack([tf.shape(image)[:2] for image in found])
            windows = tf.unstack(choose(sides, slice(None)), len(found))
            found = [images.cut(*one) for one in zip(found, windows, strict=True)]
        else:
            files, sides = self.reader.several(each)
            found = images.decode_windows(files, self.channels, choose, size, sides)
        return [images.resize_crop(image, size) for image in found]

    def _transformed(self, pixels: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        at = 0
        for transform in self.augment.transforms:
            pixels = transform(pixels, random[:, at : at + transform.numbers])
            at += transform.numbers
        return pixels
