"""What a data set is: splits of images with labels, described once; and who loads one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from kerasnets.data.records import Records
from kerasnets.errors import UserError
from kerasnets.plugins import Registry
from kerasnets.tasks import TASKS, TaskName

# The names that splits have, in small letters, and ours: those of Keras, torchvision, Roboflow and
# Hugging Face.
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
SPLITS = ("train", "validation", "test")
# The split of a source that has none; `load` holds a part of it out.
ALL = "all"
T = TypeVar("T")


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
        records: The images, found by their index.
        labels: (N,) int32, indices into the data set's class names; or (N, columns) float32, a
            number for each of the names: 0 or 1 where an image has several classes.
    """

    records: Records
    labels: np.ndarray

    @property
    def size(self) -> int:
        """The number of images."""
        return len(self.labels)

    @property
    def one_class(self) -> bool:
        """Whether the label of an image is one class."""
        return self.labels.ndim == 1

    def take(self, indices: np.ndarray) -> Split:
        """The split of these images alone, in this order; in that of their files if they have one.

        Args:
            indices: (n,) integers.
        """
        if self.records.sequential:
            indices = np.sort(indices)
        return Split(self.records.take(indices), self.labels[indices])

    def name(self, index: int) -> str:
        """What an image is called in messages."""
        return self.records.name(index)

    def parts(self, workers: int) -> list[int]:
        """How many images each of some workers gets."""
        return self.records.parts(workers)


@dataclass(frozen=True)
class LeftOut:
    """Some of what a source holds and a data set does not.

    Attributes:
        what: What it is, in the plural.
        count: How many there are.
        example: The name of one.
    """

    what: str
    count: int
    example: str

    def __str__(self) -> str:
        return f"left out: {self.what}: {self.count:,}, such as {self.example!r}"


@dataclass(frozen=True)
class Dataset:
    """A described data set.

    Attributes:
        name: The word it was loaded by.
        class_names: By label; where labels are numbers, what each of them is.
        splits: ``train``, ``validation`` and ``test``, as far as they exist. A source without
            splits gives one called `ALL`.
        image_shape: (height, width, channels); ``None`` for sides that differ from image to image.
        left_out: What the source holds beside these images.
        task: What the labels are for, see `kerasnets.tasks`.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, Split]
    image_shape: tuple[int | None, ...] = (None, None, None)
    left_out: tuple[LeftOut, ...] = ()
    task: TaskName = "classification"

    def split(self, name: str) -> Split:
        """The split of this name.

        Raises:
            UserError: When the data set has no such split.
        """
        name = our_name(name) or name
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

    def check_one_class(self, what: str) -> None:
        """Raises a `UserError` where images have other labels than one class, for `what`."""
        if self.task != "classification":
            raise UserError(f"{what} takes images of one class each; {self.name} is {self.task}.")

    def with_splits(self, splits: Mapping[str, Split]) -> Dataset:
        """The same classes with other images."""
        return dataclasses.replace(self, splits=splits)

    def describe(self) -> str:
        """One line: classes, sizes of the splits, image shape."""
        sizes = ", ".join(f"{size:,} {name}" for name, size in self.sizes.items())
        shape = "x".join(map(str, self.image_shape))
        images = "images of several sizes" if None in self.image_shape else f"images {shape}"
        columns = TASKS[self.task].columns
        return f"{self.name}: {len(self.class_names)} {columns}, {sizes}, {images}"


def our_name(name: str) -> str | None:
    """Our name of a split that others call so, in any case; ``None`` if it is no split's."""
    return SPLIT_NAMES.get(name.lower())


def our_splits(found: Mapping[str, T]) -> tuple[dict[str, T], dict[str, T]]:
    """What a source has by names of splits: by our names, in our order; and the rest.

    Of several that mean the same split the first name of `SPLIT_NAMES` counts.
    """
    order = list(SPLIT_NAMES)
    ours, rest = {}, dict(found)
    for name in sorted(filter(our_name, found), key=lambda name: order.index(name.lower())):
        if SPLIT_NAMES[name.lower()] not in ours:
            ours[SPLIT_NAMES[name.lower()]] = rest.pop(name)
    return {name: ours[name] for name in SPLITS if name in ours}, rest


def other_splits(rest: Mapping[str, int]) -> tuple[LeftOut, ...]:
    """What is left out by splits of other names, given their numbers of images."""
    return tuple(LeftOut("images of another split", count, name) for name, count in rest.items())


class Source(Protocol):
    """Loads a data set.

    A source of other labels than one class takes the task, a name of `kerasnets.tasks`, as one more
    argument: ``task=``.
    """

    def __call__(self, rest: str, data_dir: str | os.PathLike | None, /) -> Dataset:
        """The data set.

        Args:
            rest: What stands behind the source's name and a colon, maybe nothing.
            data_dir: Where downloaded data sets are kept, if the user says so.

        Raises:
            UserError: When there is no such data set, or it is damaged.
        """
        ...


# Sources and what the user writes, for messages.
SOURCES: Registry[tuple[Source, str]] = Registry("source")


def register_source(name: str, source: Source, usage: str | None = None) -> None:
    """Makes ``load("NAME:...")`` call a source.

    Args:
        name: Before the colon.
        source: Loads the data set.
        usage: What the user writes, for messages; ``NAME:PATH`` by default. Without a colon
            the source takes nothing but its name.

    Raises:
        UserError: When there is a source of this name.
    """
    SOURCES.register(name, (source, usage or f"{name}:PATH"))
