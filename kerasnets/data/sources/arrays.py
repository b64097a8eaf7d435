"""Data sets of images in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kerasnets.data.sources.base import SPLITS, Dataset, Split
from kerasnets.data.sources.holding_out import with_test
from kerasnets.errors import UserError


def from_arrays(
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
    class_names: Sequence[str],
    *,
    name: str = "arrays",
) -> Dataset:
    """A data set of arrays.

    Args:
        splits: For ``train``, ``validation`` and ``test``, as far as they exist, the images
            (N, H, W, C) uint8 and the labels (N,).
        class_names: By label.
        name: What it is called in messages.

    Raises:
        UserError: When an array has another shape or type, or a label has no class.
    """
    made = {}
    for split, (images, labels) in splits.items():
        if split not in SPLITS:
            raise UserError(f"{name}: splits are {', '.join(SPLITS)}. Received: {split!r}.")
        images, labels = np.asarray(images), np.asarray(labels)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise UserError(
                f"{name}: images of {split} must be (N, H, W, 1 or 3) uint8. "
                f"Received: {images.shape} {images.dtype}."
            )
        if labels.shape != images.shape[:1]:
            raise UserError(
                f"{name}: {split} has {len(images)} images. Received: labels {labels.shape}."
            )
        check_labels(labels, len(class_names), f"{name}, split {split}")
        made[split] = Split(images, labels.astype(np.int32), "array")
    shapes = {split.records.shape[1:] for split in made.values()}
    shape = shapes.pop() if len(shapes) == 1 else (None, None, None)
    return Dataset(name, tuple(class_names), shape, made)


def check_labels(labels: np.ndarray, classes: int, where: str) -> None:
    """Raises a `UserError` that names the first label without a class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise UserError(
            f"{where}: labels must be 0 to {classes - 1}. "
            f"Received: {labels[wrong[0]]} for image {wrong[0]} (and {wrong.size - 1} more)."
        )


def digits() -> Dataset:
    """1,797 handwritten digits of 8x8 pixels (UCI, in scikit-learn), a quarter held out."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    everything = Split(images, found.target.astype(np.int32), "array")
    names = tuple(str(digit) for digit in range(10))
    return Dataset("digits", names, (8, 8, 1), with_test(everything, 0.25, "digits"))
