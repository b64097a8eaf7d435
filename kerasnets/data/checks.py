"""Looking through a data set once: what is in it, and what is wrong with it."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.bad_images import BadImage, describe
from kerasnets.data.loading import Reader, numbers
from kerasnets.data.sources.base import Dataset, Split


@dataclass(frozen=True)
class SplitReport:
    """What is in a split.

    Attributes:
        counts: Images of each class, by label.
        sides: (N, 2) int32, heights and widths of the images that can be read.
        bad: The images that cannot be read.
    """

    counts: tuple[int, ...]
    sides: np.ndarray
    bad: tuple[BadImage, ...]


@dataclass(frozen=True)
class Report:
    """What is in a data set.

    Attributes:
        splits: By name.
        duplicates: Groups of files with the same content within one split, by their quoted names.
        leaks: The same for files that are in more than one split; names follow the split.
    """

    splits: Mapping[str, SplitReport]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]


def check(dataset: Dataset, channels: int = 3) -> Report:
    """Reads every image once.

    Args:
        dataset: What to look through.
        channels: That images are decoded to.

    Raises:
        UserError: When a shard is damaged.
    """
    reports = {}
    same = collections.defaultdict(list)
    for name, split in dataset.splits.items():
        digests, sides = {}, []
        for number, digest, side in _images(split, channels):
            digests[number] = digest
            sides.append(side)
        reader = Reader(split)
        bad = [
            describe(reader, number, channels)
            for number in range(split.size)
            if number not in digests
        ]
        counts = np.bincount(split.labels, minlength=len(dataset.class_names))
        sides = np.array(sides, np.int32).reshape(-1, 2)
        reports[name] = SplitReport(tuple(counts.tolist()), sides, tuple(bad))
        for number, digest in digests.items():
            same[digest].append((name, split.name(number)))
    groups = [group for group in same.values() if len(group) > 1]
    leaks = [group for group in groups if len({split for split, _ in group}) > 1]
    duplicates = [group for group in groups if group not in leaks]
    return Report(
        reports,
        tuple(tuple(repr(name) for _, name in group) for group in duplicates),
        tuple(tuple(f"{split}: {name!r}" for split, name in group) for group in leaks),
    )


def _images(split: Split, channels: int) -> Iterator[tuple[int, bytes, np.ndarray]]:
    """Number, digest of the content and sides of each image that can be read."""
    reader = Reader(split)

    def examine(number: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        if reader.holds_pixels:
            pixels = reader.pixels(number)
            return number, tf.io.serialize_tensor(pixels), tf.shape(pixels)[:2]
        encoded = reader.encoded(number, record)
        return number, encoded, tf.shape(images.decode(encoded, channels))[:2]

    found = numbers(split, 0, 1).map(examine, tf.data.AUTOTUNE).ignore_errors()
    for number, content, sides in found.as_numpy_iterator():
        yield int(number), hashlib.blake2b(content, digest_size=16).digest(), sides
