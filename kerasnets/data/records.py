"""The images of a split before they are decoded: arrays, files, rows or TFRecords."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np

from kerasnets.data.randomness import shuffled
from kerasnets.data.reasons import reason
from kerasnets.errors import UserError
from kerasnets.lazy import tf

# Gives, in a graph, what is stored of one image, by its index and its record (see `Records.epoch`).
Reader: TypeAlias = "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]"
# From a record to the bytes of an image file, and height and width, int64, of a JPEG that is stored
# upright; zeros for another image.
SidesReader: TypeAlias = "Callable[[tf.Tensor], tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]]"

# Files that are read at the same time; records that are shuffled together, and their bytes.
READ_AT_ONCE = 16
SHUFFLED_TOGETHER = 2048
SHUFFLED_BYTES = 2**28


@dataclass(frozen=True, eq=False)
class Records:
    """The images of a split, found by their index. A source may bring a subclass of its own.

    Attributes:
        values: (N, ...), from which each image is found; anything that an array of indices
            selects from.
        hold_pixels: Whether `reader` gives images, (H, W, C) uint8; otherwise it gives the bytes
            of image files.
        sequential: Whether images are stored in files that are read from their beginnings.
        numbers: (N,), by which images without names of their own are called: their indices before
            any were taken. ``None`` where none were.
    """

    values: Any
    numbers: np.ndarray | None = field(default=None, kw_only=True)

    hold_pixels: ClassVar[bool] = False
    sequential: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: np.ndarray) -> Records:
        """The records of these images alone, in this order."""
        numbers = self.numbers_of(indices)
        return dataclasses.replace(self, values=self.values[indices], numbers=numbers)

    def numbers_of(self, indices: np.ndarray) -> np.ndarray:
        """The `numbers` of these images."""
        return indices if self.numbers is None else self.numbers[indices]

    def reader(self) -> Reader:
        """The function that reads an image inside a graph; made outside of it."""
        raise NotImplementedError

    def sides_reader(self) -> SidesReader | None:
        """The function that finds an image's file and its sides, where records tell them."""
        return None

    def name(self, index: int) -> str:
        """What an image is called in messages."""
        return f"image {index if self.numbers is None else self.numbers[index]}"

    def identity(self) -> bytes:
        """What tells these images from others of the same labels, as far as that is cheap."""
        return b""

    def files(self) -> Iterator[bytes]:
        """The bytes of the image files, in order."""
        found = self.epoch(0, 1).map(self.reader()).as_numpy_iterator()
        return cast("Iterator[bytes]", found)

    def rows_of(self, shape: tuple[int, int, int]) -> bool:
        """Whether the reader takes many indices at once and gives images of this shape."""
        return False

    def check(self) -> None:
        """Raises a `UserError` where the images cannot be told apart, since a file is damaged."""

    def parts(self, workers: int) -> list[int]:
        """How many images each of some workers gets."""
        return [len(range(worker, len(self), workers)) for worker in range(workers)]

    def epoch(self, worker: int, workers: int, key: tf.Tensor | None = None) -> tf.data.Dataset:
        """A worker's part of an epoch: (index int64, record) of each image, undecoded.

        Args:
            worker: From 0.
            workers: Among which the images are divided.
            key: (2,) int64 for the order; as they are stored if ``None``.

        Returns:
            Indices within the split. Records are empty where the reader needs none.
        """
        return without_records(epoch_order(len(self), worker, workers, key))


class Pixels(Records):
    """Images that are there decoded, (N, H, W, C) uint8, in memory or mapped from a disk."""

    hold_pixels: ClassVar[bool] = True

    def rows_of(self, shape: tuple[int, int, int]) -> bool:
        return self.values.shape[1:] == shape

    def reader(self) -> Reader:
        if not isinstance(self.values, np.memmap):
            values = tf.constant(self.values)
            return lambda index, record: tf.gather(values, index)

        def mapped(index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
            found = tf.numpy_function(lambda at: np.asarray(self.values[at]), [index], tf.uint8)
            return tf.ensure_shape(found, [*index.shape, *self.values.shape[1:]])

        return mapped

    def files(self) -> Iterator[bytes]:
        return (tf.io.encode_png(image).numpy() for image in self.values)


@dataclass(frozen=True, eq=False)
class Cached(Pixels):
    """Images that were decoded once, and what they were decoded from, for their names.

    Attributes:
        original: Records of the same images.
    """

    original: Records

    def take(self, indices: np.ndarray) -> Records:
        """The records of these images alone, in this order."""
        return Cached(self.values[indices], self.original.take(indices))

    def name(self, index: int) -> str:
        """As before they were decoded."""
        return self.original.name(index)


@dataclass(frozen=True, eq=False)
class Repeated(Records):
    """Images of which some are there several times, each time as an image of its own.

    Attributes:
        values: (N,) int64, the index of each in `original`.
        original: Records that are not `sequential`.
    """

    original: Records

    @property
    def hold_pixels(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As the images that are repeated."""
        return self.original.hold_pixels

    def reader(self) -> Reader:
        places, read = tf.constant(self.values), self.original.reader()
        return lambda index, record: read(tf.gather(places, index), record)

    def rows_of(self, shape: tuple[int, int, int]) -> bool:
        return self.original.rows_of(shape)

    def name(self, index: int) -> str:
        """That of the image that is repeated."""
        return self.original.name(int(self.values[index]))


class Encoded(Records):
    """The bytes of image files in memory, (N,)."""

    def reader(self) -> Reader:
        values = tf.constant(self.values)
        return lambda index, record: tf.gather(values, index)


class Paths(Records):
    """Paths of image files, (N,), here or on a file system that TensorFlow knows."""

    def reader(self) -> Reader:
        paths = tf.constant([os.fsencode(path) for path in self.values])
        return lambda index, record: tf.io.read_file(tf.gather(paths, index))

    def name(self, index: int) -> str:
        return str(self.values[index])

    def identity(self) -> bytes:
        return b"\0".join(os.fsencode(path) for path in self.values)


class Fetched(Records):
    """Image files whose bytes a Python function gives; subclasses define `fetch`."""

    def fetch(self, index: int) -> bytes:
        """The bytes of an image file."""
        raise NotImplementedError

    def reader(self) -> Reader:
        def read(index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
            found = tf.numpy_function(lambda at: self.fetch(int(at)), [index], tf.string)
            return tf.ensure_shape(found, ())

        return read


@dataclass(frozen=True, eq=False)
class Shards(Records):
    """Images in TFRecord files.

    Attributes:
        values: (N,) int64, ascending: the images' places, counted through all files.
        paths: Paths of the files.
        counts: Records in each file.
        encoded: From a record, a scalar string, to the bytes of an image file.
        with_sides: From a record to the same, and the image's sides, where records tell them.
    """

    paths: tuple[str, ...]
    counts: tuple[int, ...]
    encoded: Callable[[tf.Tensor], tf.Tensor]
    with_sides: SidesReader | None = None

    sequential: ClassVar[bool] = True

    @property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    @property
    def _of_file(self) -> np.ndarray:
        """The file of each image."""
        return np.searchsorted(self._ends, self.values, side="right")

    def reader(self) -> Reader:
        return lambda index, record: self.encoded(record)

    def sides_reader(self) -> SidesReader | None:
        return self.with_sides

    def name(self, index: int) -> str:
        """The file, and the record in it."""
        place = self.values[index]
        file = int(np.searchsorted(self._ends, place, side="right"))
        return f"{self.paths[file]}, record {place - self._ends[file] + self.counts[file]}"

    def parts(self, workers: int) -> list[int]:
        """Whole files for each worker where there are enough of them, else single images."""
        if len(self.paths) < workers:
            return super().parts(workers)
        return np.bincount(self._of_file % workers, minlength=workers).tolist()

    def check(self) -> None:
        """Raises a `UserError` that names a file whose checksums or size are wrong."""
        for path, count in zip(self.paths, self.counts, strict=True):
            try:
                found = sum(1 for _ in tf.data.TFRecordDataset(path))
            except tf.errors.OpError as error:
                raise UserError(f"The shard {path!r} is damaged: {reason(error)}.") from error
            if found != count:
                raise UserError(f"The shard {path!r} holds {found:,} images, not {count:,}.")

    def epoch(self, worker: int, workers: int, key: tf.Tensor | None = None) -> tf.data.Dataset:
        """Files are read side by side from their beginnings, in another order each epoch."""
        paths = tf.constant([os.fsencode(path) for path in self.paths])
        starts = tf.constant(self._ends - self.counts, tf.int64)
        indices = np.full(sum(self.counts), -1, np.int64)
        indices[self.values] = np.arange(len(self))
        indices = tf.constant(indices)
        # Files without any of these images are not opened.
        order = np.unique(self._of_file)
        by_file = len(self.paths) >= workers
        if by_file:
            order = order[order % workers == worker]
        order = tf.constant(order, tf.int32)
        if key is not None:
            order = shuffled(order, key)
        together = 64 if key is None else self._shuffled_together()

        def one_file(file: tf.Tensor) -> tf.data.Dataset:
            records = tf.data.TFRecordDataset(paths[file]).enumerate(starts[file])
            # Some at a time, since handing over is what costs.
            return records.batch(-(-together // 64))

        def chosen(
            block: tf.Tensor, records: tuple[tf.Tensor, tf.Tensor]
        ) -> tuple[tf.Tensor, tf.Tensor]:
            """Those of a block of records that belong to the split and the worker, shuffled."""
            index = tf.gather(indices, records[0])
            wanted = tf.where((index >= 0) & (by_file | (index % workers == worker)))[:, 0]
            if key is not None:
                # Keys of epochs have small second numbers.
                own_key = key + tf.stack([0, (block + 1) * 2**32])
                wanted = shuffled(wanted, own_key)
            return tf.gather(index, wanted), tf.gather(records[1], wanted)

        found = tf.data.Dataset.from_tensor_slices(order).interleave(
            one_file,
            cycle_length=1 if key is None else READ_AT_ONCE,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        # Shuffled block by block, since the order of `shuffle` depends on TensorFlow's global seed.
        return found.rebatch(together).enumerate().map(chosen).unbatch()

    def _shuffled_together(self) -> int:
        """Records of a block: fewer of large images, judged by the first file."""
        mean_bytes = tf.io.gfile.stat(self.paths[0]).length / max(1, self.counts[0])
        return max(1, min(SHUFFLED_TOGETHER, int(SHUFFLED_BYTES / mean_bytes)))


def epoch_order(size: int, worker: int, workers: int, key: tf.Tensor | None) -> tf.Tensor:
    """A worker's indices of an epoch, int64, of images that are found by their index."""
    found = tf.range(size, dtype=tf.int64)
    if key is not None:
        found = shuffled(found, key)
    return found[worker::workers]


def without_records(indices: tf.Tensor) -> tf.data.Dataset:
    """(index, record) of each, or of each row of indices; the records are empty."""
    found = tf.data.Dataset.from_tensor_slices(indices)
    # Zipped, not mapped: a function for each image costs more than all else here.
    return tf.data.Dataset.zip((found, tf.data.Dataset.from_tensors(b"").repeat()))
