"""Images that show the same to a network: other crops, mirrored ones, the next of a series.

They are found by the cosine of their vectors, as by Abbas et al. 2023, "SemDeDup", arXiv
2303.09540, section 3, but of all pairs. `kerasnets.data.duplicates` finds copies without a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasnets.data.checks import Alike, Place
from kerasnets.data.duplicates import Pairs, spanning
from kerasnets.embedding.store import Embeddings

# Images that are compared with as many others at once.
BLOCK = 2048


@dataclass(frozen=True)
class SemanticDuplicate(Alike):
    """Two images that a network takes for the same.

    Attributes:
        cosine: The cosine of the angle between their vectors.
    """

    cosine: float

    @property
    def how(self) -> Mapping[str, str]:
        """The cosine."""
        return {"cosine": f"{self.cosine:.4f}"}


def semantic_duplicates(found: Embeddings, least: float) -> list[SemanticDuplicate]:
    """The pairs of images whose vectors have so high a cosine.

    Of n images that are all alike n - 1 pairs are given, across splits or of different classes
    where there are such: an image with another in another split is in a pair with one.

    Args:
        found: The images.
        least: The least cosine.

    Returns:
        The pairs, the most alike first.
    """
    splits, labels = found.splits, [found.class_of(index) for index in range(len(found.names))]
    numbered = [np.unique(each, return_inverse=True)[1] for each in (splits, labels)]
    pairs = _alike(found.unit, least, *numbered)
    firsts = {split: splits.index(split) for split in dict.fromkeys(splits)}

    def place(index: int) -> Place:
        split = splits[index]
        return Place(split, index - firsts[split], labels[index], found.names[index])

    order = np.argsort(pairs.differences, kind="stable")
    return [
        SemanticDuplicate(place(int(one)), place(int(other)), 1 - float(difference))
        for (one, other), difference in zip(
            pairs.images[order], pairs.differences[order], strict=True
        )
    ]


def _alike(vectors: np.ndarray, least: float, splits: np.ndarray, labels: np.ndarray) -> Pairs:
    """The pairs, block by block, so that memory is bounded."""
    kept = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0))
    for top in range(0, len(vectors), BLOCK):
        for left in range(top, len(vectors), BLOCK):
            cosines = vectors[top : top + BLOCK] @ vectors[left : left + BLOCK].T
            one, other = np.nonzero(cosines >= least)
            images = np.stack([one + top, other + left], axis=1)
            new = images[:, 0] < images[:, 1]
            if not new.any():
                continue
            differences = 1 - cosines[one[new], other[new]].astype(np.float64)
            images = np.concatenate([kept.images, images[new]])
            differences = np.concatenate([kept.differences, differences])
            bits = np.zeros(len(images), np.int64)
            kept = spanning(Pairs(images, bits, differences), splits, labels)
    return kept
