"""Occlusion: what is lost where a part of an image is hidden. It needs nothing but answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

# Squares of this fraction of the shorter side, half of which the next one covers.
SQUARE = 1 / 7
# Gives the scores of each image, (H, W, C) float32: some numbers, as many for each.
Scores = Callable[[Iterator[np.ndarray]], Iterable[np.ndarray]]


def falls(
    scores: Scores, image: np.ndarray, *, side: int | None = None, stride: int | None = None
) -> np.ndarray:
    """How far scores fall where a square hides the image.

    Zeiler and Fergus 2013, "Visualizing and understanding convolutional networks",
    arXiv 1311.2901, section 4.2. The squares have the mean colour of the image.

    Args:
        scores: What an answer is worth, S numbers for each image.
        image: (H, W, C).
        side: Side of the squares, in pixels; a seventh of the image's shorter side by default.
        stride: Pixels from one square to the next; half of `side` by default.

    Returns:
        (S, H, W) with both signs, in units of the scores: for each pixel the mean fall of the
        squares on it.
    """
    height, width = image.shape[:2]
    side = side or max(1, round(SQUARE * min(height, width)))
    stride = stride or max(1, side // 2)
    squares = list(itertools.product(_starts(height, side, stride), _starts(width, side, stride)))
    colour = image.mean(axis=(0, 1), dtype=np.float64)

    def seen() -> Iterator[np.ndarray]:
        yield image.astype(np.float32)
        for top, left in squares:
            copy = image.astype(np.float32)
            copy[top : top + side, left : left + side] = colour
            yield copy

    whole, *hidden = scores(seen())
    total, counts = np.zeros((len(whole), height, width)), np.zeros((height, width))
    for (top, left), found in zip(squares, hidden, strict=True):
        part = slice(top, top + side), slice(left, left + side)
        total[:, *part] += (whole - found)[:, np.newaxis, np.newaxis]
        counts[part] += 1
    return total / counts


def _starts(length: int, side: int, stride: int) -> list[int]:
    """Where squares begin, so that they cover everything."""
    last = max(0, length - side)
    return [*range(0, last, stride), last]
