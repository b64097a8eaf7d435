"""Data sets of images in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kerasnets.data.records import Pixels
from kerasnets.data.sources.base import ALL, SPLITS, Dataset, Split, register_source
from kerasnets.data.sources.splitting import with_test
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
            (N, H, W, C) uint8 and the labels: (N,), or (N, names) numbers, as `Split` has them.
        class_names: By label; what each number is.
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
        if labels.shape not in (images.shape[:1], (len(images), len(class_names))):
            raise UserError(
                f"{name}: {split} has {len(images)} images. Received: labels {labels.shape}."
            )
        if labels.ndim == 1:
            check_labels(labels, len(class_names), f"{name}, split {split}")
        kind = np.int32 if labels.ndim == 1 else np.float32
        made[split] = Split(Pixels(images), labels.astype(kind))
    shapes = {split.records.values.shape[1:] for split in made.values()}
    shape = shapes.pop() if len(shapes) == 1 else (None, None, None)
    return Dataset(name, tuple(class_names), made, shape)


def check_labels(labels: np.ndarray, classes: int, where: str) -> None:
    """Raises a `UserError` that names the first label without a class."""
    # What is no number is below none and above none.
    there = (labels >= 0) & (labels < classes) & (labels == np.floor(labels))
    wrong = np.flatnonzero(~there)
    if wrong.size:
        raise UserError(
            f"{where}: labels must be whole numbers from 0 to {classes - 1}. "
            f"Received: {labels[wrong[0]]} for image {wrong[0]} (and {wrong.size - 1} more)."
        )


def digits(rest: str = "", data_dir: str | os.PathLike | None = None) -> Dataset:
    """1,797 handwritten digits of 8x8 pixels (UCI, in scikit-learn), a quarter held out."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.round(np.asarray(pixels) * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    everything = Split(Pixels(images), np.asarray(labels, np.int32))
    names = tuple(str(digit) for digit in range(10))
    return with_test(Dataset("digits", names, {ALL: everything}, (8, 8, 1)), 0.25)


register_source("digits", digits, "digits")
