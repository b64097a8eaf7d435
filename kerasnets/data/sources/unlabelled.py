"""Splits without labels, which data sets keep for competitions."""

from __future__ import annotations

import dataclasses
import logging

from kerasnets.data.sources.base import Dataset
from kerasnets.errors import UserError

log = logging.getLogger("kerasnets")


def without_unlabelled(dataset: Dataset) -> Dataset:
    """Leaves out the splits all of whose labels are below 0, which stands for none.

    Raises:
        UserError: When a split has some labels.
    """
    splits = {}
    for name, split in dataset.splits.items():
        missing = int((split.labels < 0).sum())
        if missing == 0:
            splits[name] = split
        elif missing == split.size:
            log.info("%s: the split %s has no labels and is left out", dataset.name, name)
        else:
            raise UserError(
                f"{dataset.name}: {missing:,} of the {split.size:,} images of the split {name} "
                "have no label; their labels are below 0. Expected a label for each."
            )
    return dataclasses.replace(dataset, splits=splits)
