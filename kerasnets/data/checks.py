"""Looking through a data set once: what is in it, and what is wrong with it."""

from __future__ import annotations

import collections
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.bad_images import BadImage, describe
from kerasnets.data.duplicates import Fingerprint, find_pairs, fingerprint, looks, thumbnail
from kerasnets.data.sources.base import Dataset, Split
from kerasnets.files import write_csv


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
class Place:
    """Where an image is.

    Attributes:
        split: The name of its split.
        index: Its index within that.
        label: The name of its class, or its labels in words; empty where none is known.
        name: Its path, or the file that holds it.
    """

    split: str
    index: int
    label: str
    name: str

    @property
    def words(self) -> str:
        """The split and the class, as far as there are any."""
        return ", ".join(each for each in (self.split, self.label) if each)


@dataclass(frozen=True)
class Alike:
    """Two images that are alike.

    Attributes:
        first: The one image.
        second: The other.
    """

    first: Place
    second: Place

    @property
    def leaks(self) -> bool:
        """Whether the images are in different splits."""
        return self.first.split != self.second.split

    @property
    def disagrees(self) -> bool:
        """Whether the images have different labels."""
        return self.first.label != self.second.label

    @property
    def how(self) -> Mapping[str, str]:
        """How alike they are: figures by name."""
        raise NotImplementedError

    @property
    def words(self) -> str:
        """How alike they are, in words."""
        return ", ".join(f"{name} {figure}" for name, figure in self.how.items())

    def __str__(self) -> str:
        """One line: both images and how alike they are."""
        places = (
            f"{place.words}: {place.name!r}" if place.words else repr(place.name)
            for place in (self.first, self.second)
        )
        return f"{' ~ '.join(places)} ({self.words})"


@dataclass(frozen=True)
class NearDuplicate(Alike):
    """Two images that look the same and are not the same file, see `kerasnets.data.duplicates`.

    Attributes:
        bits: Bits of 64 in which their perceptual hashes differ.
        difference: Root mean square of what differs, as a fraction of the contrast.
    """

    bits: int
    difference: float

    @property
    def how(self) -> Mapping[str, str]:
        """The distance, in bits of 64, and the difference."""
        return {"distance": str(self.bits), "difference": f"{self.difference:.3f}"}

    @property
    def words(self) -> str:
        """The distance, and the difference as a percentage."""
        return f"distance {self.bits} of 64 bits, difference {self.difference:.0%}"


@dataclass(frozen=True)
class Report:
    """What is in a data set.

    Attributes:
        splits: By name.
        duplicates: Groups of files with the same content within one split, by their quoted names.
        leaks: The same for files that are in more than one split; names follow the split.
        near: Pairs of images that look the same without being the same file: those across splits
            first, different labels before equal ones.
    """

    splits: Mapping[str, SplitReport]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    near: tuple[NearDuplicate, ...]


def check(dataset: Dataset, channels: int = 3) -> Report:
    """Reads every image once.

    Args:
        dataset: The data set to look through.
        channels: 1 to decode to grayscale, 3 for RGB.

    Raises:
        UserError: When a shard is damaged.
    """
    dataset.check_one_class("data check")
    reports, places, contents, prints = {}, [], [], []
    for name, split in dataset.splits.items():
        read, sides = set(), []
        for index, digest, side, small in _images(split, channels):
            read.add(index)
            sides.append(side)
            label = dataset.class_names[split.labels[index]]
            places.append(Place(name, index, label, split.name(index)))
            contents.append(digest)
            prints.append(fingerprint(small))
        bad = describe(split, [each for each in range(split.size) if each not in read], channels)
        counts = np.bincount(split.labels, minlength=len(dataset.class_names))
        sides = np.array(sides, np.int32).reshape(-1, 2)
        reports[name] = SplitReport(tuple(counts.tolist()), sides, tuple(bad))
    same = collections.defaultdict(list)
    for digest, place in zip(contents, places, strict=True):
        same[digest].append(place)
    groups = [group for group in same.values() if len(group) > 1]
    leaks = [group for group in groups if len({place.split for place in group}) > 1]
    duplicates = [group for group in groups if len({place.split for place in group}) == 1]
    return Report(
        reports,
        tuple(tuple(repr(place.name) for place in group) for group in duplicates),
        tuple(tuple(f"{place.split}: {place.name!r}" for place in group) for group in leaks),
        _near(prints, contents, places),
    )


def write_pairs(path: str | os.PathLike, pairs: Sequence[Alike], figures: Sequence[str]) -> None:
    """Writes pairs of images as CSV.

    Args:
        path: The file.
        pairs: The pairs.
        figures: The names of `Alike.how`.
    """

    def cells(place: Place) -> tuple[str, str, str]:
        return place.split, place.label, place.name

    place = ("split", "class", "name")
    header = (*place, *(f"other_{each}" for each in place), *figures)
    rows = (
        (*cells(pair.first), *cells(pair.second), *(pair.how[each] for each in figures))
        for pair in pairs
    )
    write_csv(path, header, rows)


def _near(
    prints: Sequence[Fingerprint], contents: Sequence[bytes], places: Sequence[Place]
) -> tuple[NearDuplicate, ...]:
    splits, labels = [place.split for place in places], [place.label for place in places]
    numbered = (np.unique(each, return_inverse=True)[1] for each in (contents, splits, labels))
    found = find_pairs(looks(prints), *numbered)
    return tuple(
        NearDuplicate(places[one], places[other], int(bits), float(difference))
        for (one, other), bits, difference in zip(
            found.images, found.bits, found.differences, strict=True
        )
    )


def _images(split: Split, channels: int) -> Iterator[tuple[int, bytes, np.ndarray, np.ndarray]]:
    """Index, digest of the content, sides, and thumbnail of each image that can be read."""
    read, hold_pixels = split.records.reader(), split.records.hold_pixels

    def examine(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = read(index, record)
        image = found if hold_pixels else images.decode(found, channels)
        content = tf.io.serialize_tensor(found) if hold_pixels else found
        small = thumbnail(images.match_channels(image, 3))
        return index, content, tf.shape(image)[:2], small

    found = split.records.epoch(0, 1).map(examine, tf.data.AUTOTUNE).ignore_errors()
    for index, content, sides, small in found.as_numpy_iterator():
        yield int(index), hashlib.blake2b(content, digest_size=16).digest(), sides, small
