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
        dataset: The data set to look through.
        channels: 1 to decode to grayscale, 3 for RGB.

    Raises:
        UserError: When a shard is damaged.
    """
    reports = {}
    same = collections.defaultdict(list)
    for name, split in dataset.splits.items():
        digests, sides = {}, []
        for index, digest, side in _images(split, channels):
            digests[index] = digest
            sides.append(side)
        missing = [index for index in range(split.size) if index not in digests]
        bad = [describe(split, index, channels) for index in missing]
        counts = np.bincount(split.labels, minlength=len(dataset.class_names))
        sides = np.array(sides, np.int32).reshape(-1, 2)
        reports[name] = SplitReport(tuple(counts.tolist()), sides, tuple(bad))
        for index, digest in digests.items():
            same[digest].append((name, split.name(index)))
    groups = [group for group in same.values() if len(group) > 1]
    leaks = [group for group in groups if len({split for split, _ in group}) > 1]
    duplicates = [group for group in groups if group not in leaks]
    return Report(
        reports,
        tuple(tuple(repr(name) for _, name in group) for group in duplicates),
        tuple(tuple(f"{split}: {name!r}" for split, name in group) for group in leaks),
    )


def _images(split: Split, channels: int) -> Iterator[tuple[int, bytes, np.ndarray]]:
    """Index, digest of the content, and height and width of each image that can be read."""
    read, hold_pixels = split.records.reader(), split.records.hold_pixels

    def examine(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        found = read(index, record)
        if hold_pixels:
            return index, tf.io.serialize_tensor(found), tf.shape(found)[:2]
        return index, found, tf.shape(images.decode(found, channels))[:2]

    found = split.records.epoch(0, 1).map(examine, tf.data.AUTOTUNE).ignore_errors()
    for index, content, sides in found.as_numpy_iterator():
        yield int(index), hashlib.blake2b(content, digest_size=16).digest(), sides
