"""Holding images out where a source has no split for validation or test."""

from __future__ import annotations

import dataclasses

import numpy as np

from kerasnets.data.sources.base import Dataset, Split
from kerasnets.errors import UserError


def with_test(split: Split, fraction: float, name: str) -> dict[str, Split]:
    """``train`` and ``test`` out of images without splits.

    Raises:
        UserError: When the classes have too few images for it.
    """
    train, test = _stratified(split.labels, fraction, name)
    return {"train": split.take(train), "test": split.take(test)}


def with_validation(dataset: Dataset, fraction: float) -> Dataset:
    """Holds some training images out for validation where the source does not."""
    if fraction == 0 or "validation" in dataset.splits or "train" not in dataset.splits:
        return dataset
    train = dataset.splits["train"]
    kept, held = _stratified(train.labels, fraction, dataset.name)
    splits = {"train": train.take(kept), "validation": train.take(held)}
    rest = {name: split for name, split in dataset.splits.items() if name != "train"}
    return dataclasses.replace(dataset, splits={**splits, **rest})


def _stratified(labels: np.ndarray, fraction: float, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rest and of a `fraction` of each class; always the same ones."""
    from sklearn.model_selection import train_test_split

    try:
        kept, held = train_test_split(
            np.arange(len(labels)), test_size=fraction, random_state=0, stratify=labels
        )
    except ValueError as error:
        raise UserError(
            f"{name}: {fraction:.0%} of {len(labels)} images cannot be held out: {error}"
        ) from error
    return np.sort(kept), np.sort(held)
