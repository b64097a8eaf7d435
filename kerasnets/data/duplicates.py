"""Copies of one image in other files: encoded anew, resized, brightened or turned by a mark.

A perceptual hash finds candidates, a small picture of each image confirms them. The limits stand
between what copies of photographs reach and what different images do: handwritten digits, small
images and printed pages among them, see docs/data.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from kerasnets.lazy import tf

# Sides of the image that is hashed, as pHash takes it, and of the one that confirms.
HASHED, COMPARED = 32, 16
# The most bits of 64 that may differ.
MOST_BITS = 8
# The most that may differ of the compared images, brought to mean 0 and standard deviation 1:
# the root mean square, and a single pixel of the grayscale ones, where strokes and small objects
# differ.
MOST_DIFFERENCE = 0.25
MOST_OF_A_PIXEL = 0.5
# The least standard deviation, in gray levels, beside a smooth background: less has no structure.
LEAST_STRUCTURE = 4.0
# Images that are compared with as many others at once, and pairs that are confirmed at once.
BLOCK = 2048
CONFIRMED = 8192
# (64,) bool and (16, 16, 3) uint8.
Fingerprint: TypeAlias = "tuple[np.ndarray, np.ndarray]"
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Looks:
    """What some images look like, in 2 kB for each.

    Attributes:
        hashes: (N, 64) float32 of -1 and 1, so that products count equal bits.
        gray: (N, 256) float32 of length 1; zeros for an image without structure.
        colours: (N, 16, 16, 3) uint8.
    """

    hashes: np.ndarray
    gray: np.ndarray
    colours: np.ndarray

    def take(self, indices: np.ndarray) -> Looks:
        """Those of these images alone."""
        return Looks(self.hashes[indices], self.gray[indices], self.colours[indices])


@dataclass(frozen=True)
class Pairs:
    """Pairs of images that look the same, the serious ones first.

    Attributes:
        images: (N, 2), ascending within a pair: which images these are.
        bits: (N,) int, bits of 64 in which their hashes differ.
        differences: (N,) root mean square of what differs, as a fraction of the contrast.
    """

    images: np.ndarray
    bits: np.ndarray
    differences: np.ndarray

    def take(self, indices: np.ndarray) -> Pairs:
        """These pairs alone, in this order."""
        return Pairs(*(getattr(self, each.name)[indices] for each in dataclasses.fields(self)))


def thumbnail(image: tf.Tensor) -> tf.Tensor:
    """What `fingerprint` takes of an image, (H, W, 3) uint8. Works inside graphs.

    Returns:
        (32, 32, 3) uint8, the mean of the pixels that each of these covers.
    """
    # Averaged as uint8: a float32 copy of a photograph would take four times the memory.
    found = tf.image.resize(image, (HASHED, HASHED), "area")
    return tf.cast(found + 0.5, tf.uint8)


def fingerprint(pixels: np.ndarray) -> Fingerprint:
    """The perceptual hash and the small picture of an image.

    Args:
        pixels: What `thumbnail` gives.
    """
    import imagehash
    from PIL import Image

    times = HASHED // COMPARED
    blocks = pixels.reshape(COMPARED, times, COMPARED, times, 3)
    colours = np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return np.ravel(imagehash.phash(Image.fromarray(pixels)).hash), colours


def looks(prints: Sequence[Fingerprint]) -> Looks:
    """What images look like, from the fingerprint of each."""
    count = len(prints)
    hashes = np.array([each for each, _ in prints], np.float32).reshape(count, 64) * 2 - 1
    colours = np.empty((count, COMPARED, COMPARED, 3), np.uint8)
    for index, (_, small) in enumerate(prints):
        colours[index] = small
    gray = np.empty((count, COMPARED**2), np.float32)
    for start in range(0, count, CONFIRMED):
        part = slice(start, start + CONFIRMED)
        structure = _structure((colours[part] @ _LUMA)[..., np.newaxis])
        scale = np.linalg.norm(structure, axis=1, keepdims=True)
        plain = scale < LEAST_STRUCTURE * COMPARED
        gray[part] = np.where(plain, 0, structure / np.maximum(scale, 1))
    return Looks(hashes, gray, colours)


def find_pairs(looks: Looks, contents: np.ndarray, splits: np.ndarray, labels: np.ndarray) -> Pairs:
    """The pairs of images that look the same, without those of the same content.

    Of n images that all look the same n - 1 pairs are given, as serious ones as there are: an
    image with a copy in another split is in a pair with one.

    Args:
        looks: What N images look like.
        contents: (N,), equal for files of the same content.
        splits: (N,) integers.
        labels: (N,) integers.

    Returns:
        Pairs across splits first, those with different labels before the others.
    """
    # Of the same content in the same split one says all; without structure nothing can be said.
    _, chosen = np.unique(np.stack([contents, splits]), axis=1, return_index=True)
    chosen = np.sort(chosen[looks.gray[chosen].any(axis=1)])
    contents, splits, labels = contents[chosen], splits[chosen], labels[chosen]
    found = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0))
    for new in _alike(looks.take(chosen)):
        one, other = new.images.T
        new = new.take(np.flatnonzero(contents[one] != contents[other]))
        joined = (
            np.concatenate([getattr(found, each.name), getattr(new, each.name)])
            for each in dataclasses.fields(Pairs)
        )
        found = spanning(Pairs(*joined), splits, labels)
    return dataclasses.replace(found, images=chosen[found.images])


def spanning(pairs: Pairs, splits: np.ndarray, labels: np.ndarray) -> Pairs:
    """The most serious and closest pairs that hold together what all pairs do, in this order."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    one, other = pairs.images.T
    same_split, same_label = splits[one] == splits[other], labels[one] == labels[other]
    order = np.lexsort((pairs.differences, pairs.bits, same_label, same_split))
    # Ranks from 1, since a tree's zero is no edge.
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    tree = minimum_spanning_tree(coo_array((ranks, (one, other)), shape=(len(splits),) * 2).tocsr())
    return pairs.take(order[np.sort(tree.data).astype(np.int64) - 1])


def _alike(looks: Looks) -> Iterator[Pairs]:
    """The pairs that look the same, block by block, so that memory is bounded."""
    count = len(looks.hashes)
    for top in range(0, count, BLOCK):
        rows = looks.hashes[top : top + BLOCK]
        for left in range(top, count, BLOCK):
            equal = rows @ looks.hashes[left : left + BLOCK].T
            one, other = np.nonzero(equal >= 64 - 2 * MOST_BITS)
            images = np.stack([one + top, other + left], axis=1)
            images = images[images[:, 0] < images[:, 1]]
            for start in range(0, len(images), CONFIRMED):
                found = _confirmed(looks, images[start : start + CONFIRMED])
                if len(found.images):
                    yield found


def _confirmed(looks: Looks, images: np.ndarray) -> Pairs:
    """Those of some pairs of similar hashes whose pixels are as similar."""
    one, other = looks.gray[images[:, 0]], looks.gray[images[:, 1]]
    fit = np.einsum("ij,ij->i", one, other)
    rest = np.abs(other - fit[:, np.newaxis] * one).max(axis=1) * COMPARED
    images = images[(_unlike(fit) <= MOST_DIFFERENCE) & (rest <= MOST_OF_A_PIXEL)]
    one, other = (_structure(looks.colours[each]) for each in images.T)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    differences = _unlike(np.einsum("ij,ij->i", one, other) / np.maximum(lengths, 1))
    kept = differences <= MOST_DIFFERENCE
    images, differences = images[kept], differences[kept]
    equal = np.einsum("ij,ij->i", looks.hashes[images[:, 0]], looks.hashes[images[:, 1]])
    return Pairs(images, ((64 - equal) / 2).astype(np.int64), differences)


def _unlike(correlation: np.ndarray) -> np.ndarray:
    """What a correlation leaves unexplained: the root mean square, 1 for opposites."""
    return np.sqrt(np.clip(1 - np.maximum(correlation, 0) ** 2, 0, 1))


def _structure(pixels: np.ndarray) -> np.ndarray:
    """(N, 16 * 16 * C) float32 of (N, 16, 16, C): what differs from a smooth background.

    A sky or a lit wall is such a background; two of them are alike without being copies.
    """
    pixels = pixels.reshape(len(pixels), COMPARED**2, pixels.shape[-1]).astype(np.float32)
    y, x = np.mgrid[-1 : 1 : COMPARED * 1j, -1 : 1 : COMPARED * 1j].reshape(2, -1)
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))
    basis = basis.astype(np.float32)
    background = basis @ (basis.T @ pixels)
    return (pixels - background).reshape(len(pixels), COMPARED**2 * pixels.shape[-1])
