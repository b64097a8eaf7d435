"""Folds of images with several labels, over which each label is spread evenly.

Source: Sechidis, Tsoumakas, Vlahavas 2011, "On the Stratification of Multi-Label Data", ECML PKDD
2011, algorithm 1: iterative stratification.
"""

from __future__ import annotations

import numpy as np


def fold_of_each(labels: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """The fold of each image.

    The label with the fewest images left is shared out first: each of its images goes to the fold
    that wants most of this label, of equals to the one that wants most images, of equals to one
    that is drawn.

    Args:
        labels: (N, labels), above 0 where an image has a label.
        folds: Number of the folds.
        seed: Seed of the order and of what is drawn.

    Returns:
        (N,) integers from 0.
    """
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(labels))
    have, found = labels[order] > 0, np.full(len(labels), -1)
    left = have.sum(axis=0)
    wanted, room = np.tile(left / folds, (folds, 1)), np.full(folds, len(labels) / folds)
    while (found < 0).any():
        images = np.flatnonzero(found < 0)
        first = room
        if left.any():
            label = np.where(left > 0, left, len(labels) + 1).argmin()
            images, first = images[have[images, label]], wanted[:, label]
        for image in images:
            fold = np.lexsort((draw.random(folds), room, first))[-1]
            found[image] = fold
            room[fold] -= 1
            wanted[fold, have[image]] -= 1
        left = left - have[images].sum(axis=0)
    return found[order.argsort()]
