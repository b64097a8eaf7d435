"""The splits of a data set as a training needs them: held out where the source has none."""

from __future__ import annotations

import logging

import numpy as np

from kerasnets.data.sources.base import ALL, Dataset, Split
from kerasnets.data.sources.stratification import fold_of_each
from kerasnets.errors import UserError

log = logging.getLogger("kerasnets")


def with_test(dataset: Dataset, fraction: float) -> Dataset:
    """Makes ``train`` and ``test`` of the images of a source without splits.

    Raises:
        UserError: When the classes have too few images for it.
    """
    return _divided(dataset, ALL, "test", fraction) if ALL in dataset.splits else dataset


def with_fold(dataset: Dataset, folds: int, fold: int) -> Dataset:
    """Makes ``train`` and ``test`` for one fold of a cross-validation.

    The images are those of a source without splits, or the training images of one with splits,
    whose own test is left alone.

    Args:
        dataset: What a source gave.
        folds: Number of the folds.
        fold: The one that becomes ``test``, from 1.

    Raises:
        UserError: When there are too few images, of a class or in all.
    """
    whole = dataset.splits.get(ALL) or dataset.split("train")
    held = _folds(dataset, whole, folds)[fold - 1]
    kept = np.setdiff1d(np.arange(whole.size), held)
    rest = {name: split for name, split in dataset.splits.items() if name == "validation"}
    return dataset.with_splits({"train": whole.take(kept), **rest, "test": whole.take(held)})


def _folds(dataset: Dataset, whole: Split, folds: int) -> list[np.ndarray]:
    """The images of each fold, always the same ones, of each class or label about as many."""
    from sklearn.model_selection import KFold, StratifiedKFold

    few, of = whole.size, "images"
    if whole.one_class:
        counts = np.bincount(whole.labels, minlength=len(dataset.class_names))
        rarest = int(np.where(counts > 0, counts, whole.size).argmin())
        few, of = int(counts[rarest]), f"images of the class {dataset.class_names[rarest]!r}"
    if few < folds:
        raise UserError(f"{dataset.name}: {few} {of} are too few for {folds} folds.")
    if dataset.task == "multilabel":
        own = fold_of_each(whole.labels, folds)
        return [np.flatnonzero(own == fold) for fold in range(folds)]
    kind = StratifiedKFold if whole.one_class else KFold
    splitter = kind(folds, shuffle=True, random_state=0)
    places = np.arange(whole.size)
    return [held for _, held in splitter.split(places, whole.labels if whole.one_class else None)]


def with_validation(dataset: Dataset, fraction: float) -> Dataset:
    """Holds a fraction of the training images out where there is no split ``validation``."""
    if fraction == 0 or "validation" in dataset.splits or "train" not in dataset.splits:
        return dataset
    return _divided(dataset, "train", "validation", fraction)


def _divided(dataset: Dataset, one: str, held_out: str, fraction: float) -> Dataset:
    """A split becomes ``train`` and `held_out`: always the same fraction, of each class if any."""
    from sklearn.model_selection import train_test_split

    whole = dataset.splits[one]
    try:
        classes = whole.labels if whole.one_class else None
        kept, held = train_test_split(
            np.arange(whole.size), test_size=fraction, random_state=0, stratify=classes
        )
    except ValueError as error:
        raise UserError(
            f"{dataset.name}: {fraction:.0%} of {whole.size} images cannot be held out: {error}"
        ) from error
    splits = {"train": whole.take(np.sort(kept)), held_out: whole.take(np.sort(held))}
    rest = {name: split for name, split in dataset.splits.items() if name != one}
    return dataset.with_splits({**splits, **rest})


def without_unlabelled(dataset: Dataset) -> Dataset:
    """Leaves out the splits all of whose labels are below 0: competitions keep their labels.

    Raises:
        UserError: When a split has some labels.
    """
    splits = {}
    for name, split in dataset.splits.items():
        missing = int((split.labels < 0).sum()) if split.one_class else 0
        if missing == 0:
            splits[name] = split
        elif missing == split.size:
            log.info("%s: the split %s has no labels and is left out", dataset.name, name)
        else:
            raise UserError(
                f"{dataset.name}: {missing:,} of the {split.size:,} images of the split {name} "
                "have no label; their labels are below 0. Expected a label for each."
            )
    return dataset.with_splits(splits)
