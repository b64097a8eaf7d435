"""What a data set is: splits of images with labels, described once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kerasnets.errors import UserError

# The names that folders of a split have, and ours.
SPLIT_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """One split of a data set, whose images are read by their number.

    Attributes:
        records: What an image is read from: uint8 images (N, H, W, C), the bytes of image files,
            their paths, or an object whose ``fetch(number)`` gives the bytes.
        labels: (N,) int32, indices into the data set's class names.
        kind: What the records are: ``array``, ``bytes``, ``path`` or ``rows``.
    """

    records: np.ndarray
    labels: np.ndarray
    kind: str

    @property
    def size(self) -> int:
        """The number of images."""
        return len(self.labels)

    def take(self, indices: np.ndarray) -> Split:
        """The split of these images alone, in this order."""
        return dataclasses.replace(self, records=self.records[indices], labels=self.labels[indices])

    def name(self, index: int) -> str:
        """What an image is called in messages: its path, or its number."""
        return str(self.records[index]) if self.kind == "path" else f"image {index}"

    def parts(self, workers: int) -> list[int]:
        """How many images each of some workers gets."""
        return [len(range(worker, self.size, workers)) for worker in range(workers)]


@dataclass(frozen=True)
class ShardedSplit(Split):
    """One split of a data set in TFRecord files, which are read from their beginnings.

    Attributes:
        records: (N,) int64, ascending: the images' numbers, counted through all files.
        labels: (N,) int32.
        kind: ``shards``.
        files: Paths of the files.
        counts: Records in each file.
        encoded: From a record, a scalar string, to the bytes of an image file.
        with_sides: From a record to the same bytes, and height and width, int64, of a JPEG that is
            stored upright; zeros for another image. ``None`` where records do not tell.
    """

    files: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    encoded: Callable | None = None
    with_sides: Callable | None = None

    def take(self, indices: np.ndarray) -> Split:
        """The split of these images alone, in the order in which they are stored."""
        return super().take(np.sort(indices))

    def name(self, index: int) -> str:
        """The file and the record in it."""
        ends = np.cumsum(self.counts)
        number = self.records[index]
        file = int(np.searchsorted(ends, number, side="right"))
        return f"{self.files[file]}, record {number - ends[file] + self.counts[file]}"

    def parts(self, workers: int) -> list[int]:
        """Whole files for each worker where there are enough of them, else single images."""
        if len(self.files) < workers:
            return super().parts(workers)
        ends = np.cumsum(self.counts)
        of_file = np.searchsorted(ends, self.records, side="right")
        return np.bincount(of_file % workers, minlength=workers).tolist()


@dataclass(frozen=True)
class Dataset:
    """A described data set.

    Attributes:
        name: The word it was loaded by.
        class_names: By label.
        image_shape: (height, width, channels); ``None`` for sides that differ from image to image.
        splits: ``train``, ``validation`` and ``test``, as far as they exist.
    """

    name: str
    class_names: tuple[str, ...]
    image_shape: tuple[int | None, int | None, int | None]
    splits: Mapping[str, Split]

    def split(self, name: str) -> Split:
        """The split of this name.

        Raises:
            UserError: When the data set has no such split.
        """
        name = SPLIT_FOLDERS.get(name, name)
        if name not in self.splits:
            raise UserError(f"{self.name} has no split {name!r}. It has: {', '.join(self.splits)}.")
        return self.splits[name]

    @property
    def sizes(self) -> dict[str, int]:
        """The number of images of each split."""
        return {name: split.size for name, split in self.splits.items()}

    @property
    def held_out(self) -> str:
        """The split that measures a trained network: ``test``, or else ``validation``."""
        for name in ("test", "validation"):
            if name in self.splits:
                return name
        raise UserError(f"{self.name} has no split to evaluate on, only {', '.join(self.splits)}.")

    def describe(self) -> str:
        """One line: classes, sizes of the splits, image shape."""
        sizes = ", ".join(f"{size:,} {name}" for name, size in self.sizes.items())
        shape = "x".join("?" if side is None else str(side) for side in self.image_shape)
        return f"{self.name}: {len(self.class_names)} classes, {sizes}, images {shape}"
