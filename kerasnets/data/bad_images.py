"""Images that cannot be read: finding them, naming them, leaving them out."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.loading import Reader, numbers
from kerasnets.data.sources.base import ShardedSplit, Split
from kerasnets.errors import UserError
from kerasnets.files import whole

# Largest share of the images that training goes on without.
MOST_BAD = 0.01
# What TensorFlow raises for damaged images, missing files and damaged shards.
ERRORS = (
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.PermissionDeniedError,
    tf.errors.FailedPreconditionError,
    tf.errors.DataLossError,
    tf.errors.OutOfRangeError,
)


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be read.

    Attributes:
        number: Within its split.
        name: Its path, or where it stands.
        reason: What the decoder said.
    """

    number: int
    name: str
    reason: str


def find_bad_images(split: Split, channels: int, most: int | None = None) -> list[BadImage]:
    """The images of a split that cannot be read.

    Args:
        split: Whose images are all decoded.
        channels: 1 for grayscale, 3 for RGB.
        most: The search ends once more than this many are found.

    Raises:
        UserError: When a shard is damaged, so that its images cannot be told apart.
    """
    if split.kind == "array":
        return []
    reader = Reader(split)

    def readable(number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        image = images.decode(reader.encoded(number, record), channels)
        with tf.control_dependencies([image]):
            return tf.identity(number)

    found = numbers(split, 0, 1).map(readable, tf.data.AUTOTUNE).ignore_errors()
    bad, expected = [], 0
    ends = [*found.as_numpy_iterator(), split.size]
    for number in ends:
        for missing in range(expected, number):
            bad.append(describe(reader, missing, channels))
            if most is not None and len(bad) > most:
                return bad
        expected = number + 1
    return bad


def describe(reader: Reader, number: int, channels: int) -> BadImage:
    """The name of an image that could not be read, and why.

    Raises:
        UserError: When its shard is damaged.
    """
    split = reader.split
    record = tf.constant(b"")
    if isinstance(split, ShardedSplit):
        check_shards(split)
        _, record = next(iter(numbers(split.take(np.array([number])), 0, 1)))
    reason = "it could not be read at first"
    try:
        images.decode(reader.encoded(tf.constant(number), record), channels)
    except ERRORS as error:
        reason = plain(error)
    return BadImage(number, split.name(number), reason)


def check_shards(split: ShardedSplit) -> None:
    """Raises a `UserError` that names a shard whose checksums are wrong."""
    for file, count in zip(split.files, split.counts, strict=True):
        try:
            found = sum(1 for _ in tf.data.TFRecordDataset(file))
        except ERRORS as error:
            raise UserError(f"The shard {file!r} is damaged: {plain(error)}.") from error
        if found != count:
            raise UserError(f"The shard {file!r} holds {found:,} images, not {count:,}.")


def plain(error: tf.errors.OpError) -> str:
    """What an error of TensorFlow says, in one line without the names of its nodes."""
    text = re.sub(
        r"\{\{.*?\}\}|\[\[.*|\[Op:.*|assertion failed:|[\[\]]", " ", error.message, flags=re.S
    )
    return " ".join(text.split())[:160].rstrip(" .")


@contextlib.contextmanager
def naming_bad_images(splits: Iterable[Split], channels: int) -> Iterator[None]:
    """Turns TensorFlow's error about an image into one that names it.

    Args:
        splits: That the work inside reads.
        channels: Of the network.

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
        split: Of the training images.
        channels: Of the network.
        known: What an earlier call has found; nothing is decoded then.
        most: Largest share of bad images.

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
    good = np.setdiff1d(np.arange(split.size), [each.number for each in bad])
    return (split.take(good) if bad else split), bad


def write_list(path: str | os.PathLike, bad: Sequence[BadImage]) -> None:
    """Writes bad images as CSV."""
    text = {"newline": "", "encoding": "utf-8", "errors": "surrogateescape"}
    with whole(path) as partial, partial.open("w", **text) as file:
        writer = csv.writer(file)
        writer.writerow(["number", "name", "reason"])
        writer.writerows((each.number, each.name, each.reason) for each in bad)


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
