"""Images that cannot be read: finding them, naming them, leaving them out."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.reasons import IMAGE_LENGTH, reason
from kerasnets.data.sources.base import Split
from kerasnets.errors import UserError
from kerasnets.files import write_csv

# Where a run lists those that it was trained without.
BAD_IMAGES = "bad_images.csv"
# The largest fraction of the images that training goes on without.
MOST_BAD = 0.01
# What TensorFlow raises for damaged images, missing files, damaged shards and Python functions
# that fail; the last where the name of a file is no UTF-8, see `one_line`.
ERRORS = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
    tf.errors.DataLossError,
    tf.errors.OutOfRangeError,
    tf.errors.UnimplementedError,
    tf.errors.UnknownError,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be read.

    Attributes:
        index: Its index within its split.
        name: Its path, or the file that holds it.
        reason: What is wrong with it, in at most `IMAGE_LENGTH` characters.
    """

    index: int
    name: str
    reason: str


def image_reason(error: Exception) -> str:
    """What is wrong with an image, from the error that reading or decoding it ended with."""
    return reason(error, length=IMAGE_LENGTH)


def find_bad_images(split: Split, channels: int, most: int | None = None) -> list[BadImage]:
    """The images of a split that cannot be read.

    Args:
        split: All its images are decoded.
        channels: 1 for grayscale, 3 for RGB.
        most: Only this many and one more are given.

    Raises:
        UserError: When a shard is damaged, so that its images cannot be told apart.
    """
    if split.records.hold_pixels:
        return []
    read = split.records.reader()

    def readable(index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        image = images.decode(read(index, record), channels)
        with tf.control_dependencies([image]):
            return tf.identity(index)

    found = split.records.epoch(0, 1).map(readable, tf.data.AUTOTUNE).ignore_errors()
    missing = np.setdiff1d(np.arange(split.size), list(found.as_numpy_iterator()))
    return describe(split, missing if most is None else missing[: most + 1], channels)


def describe(split: Split, missing: Sequence[int] | np.ndarray, channels: int) -> list[BadImage]:
    """The names of images that could not be read, and why.

    Raises:
        UserError: When their shard is damaged.
    """
    if len(missing):
        # Reads all shards: once for all images.
        split.records.check()
    return [_described(split, int(index), channels) for index in missing]


def _described(split: Split, index: int, channels: int) -> BadImage:
    why = "it could not be read at first"
    try:
        encoded = next(split.take(np.array([index])).records.files())
        images.decode(tf.constant(encoded), channels)
    # Whatever it is, it is the fault of this file.
    except Exception as error:
        why = image_reason(error)
    return BadImage(index, split.name(index), why)


@contextlib.contextmanager
def naming_bad_images(splits: Iterable[Split], channels: int) -> Iterator[None]:
    """Turns TensorFlow's error about an image into one that names it.

    Args:
        splits: What the work inside reads.
        channels: 1 for grayscale, 3 for RGB.

    Raises:
        UserError: When the work inside has failed and an image of the splits cannot be read.
    """
    try:
        yield
    except ERRORS as error:
        for split in splits:
            for bad in find_bad_images(split, channels, most=0):
                raise UserError(
                    f"{bad.name!r} cannot be read as an image: {bad.reason}. kerasnets data check "
                    "lists all such images; --bad-images skip trains without them."
                ) from error
        raise


def without_bad_images(
    split: Split,
    channels: int,
    known: Sequence[BadImage] | None = None,
    *,
    most: float = MOST_BAD,
) -> tuple[Split, list[BadImage]]:
    """The split without the images that cannot be read, and these.

    All images are decoded once, before training: order and length of an epoch are then known.

    Args:
        split: The training images.
        channels: 1 for grayscale, 3 for RGB.
        known: What an earlier call has found; nothing is decoded then.
        most: Largest fraction of bad images.

    Raises:
        UserError: When more are bad.
    """
    limit = math.floor(most * split.size)
    bad = find_bad_images(split, channels, most=limit) if known is None else list(known)
    if len(bad) > limit:
        raise UserError(
            f"More than {most:.0%} of the {split.size:,} training images cannot be read, among "
            f"them {bad[0].name!r}; kerasnets data check lists them all."
        )
    good = np.setdiff1d(np.arange(split.size), [each.index for each in bad])
    return (split.take(good) if bad else split), bad


def write_list(path: str | os.PathLike, bad: Sequence[BadImage]) -> None:
    """Writes bad images as CSV."""
    rows = ((each.index, each.name, each.reason) for each in bad)
    write_csv(path, ("number", "name", "reason"), rows)


def read_list(path: str | os.PathLike) -> list[BadImage] | None:
    """The bad images that `write_list` wrote; ``None`` where there is no such file.

    Raises:
        UserError: When it cannot be read or is damaged.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
        return [BadImage(int(row["number"]), row["name"], row["reason"]) for row in rows]
    except (OSError, csv.Error, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{str(path)!r} is no list of bad images: {error}.") from error
