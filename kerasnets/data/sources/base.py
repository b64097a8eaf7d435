"""What a data set is: splits of images with labels, described once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasnets.errors import UserError

# The names that folders of a split have, and ours.
SPLIT_FOLDERS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
        records: What an image is read from: uint8 images (N, H, W, C), the bytes of image files,
            or paths.
        labels: (N,) int32, indices into the data set's class names.
        kind: What the records are.
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
        return Split(self.records[indices], self.labels[indices], self.kind)


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
    def held_out(self) -> str:
        """The split that measures a trained network: ``test``, or else ``validation``."""
        for name in ("test", "validation"):
            if name in self.splits:
                return name
        raise UserError(f"{self.name} has no split to evaluate on, only {', '.join(self.splits)}.")

    def describe(self) -> str:
        """One line: classes, sizes of the splits, image shape."""
        sizes = ", ".join(f"{split.size:,} {name}" for name, split in self.splits.items())
        shape = "x".join("?" if side is None else str(side) for side in self.image_shape)
        return f"{self.name}: {len(self.class_names)} classes, {sizes}, images {shape}"
