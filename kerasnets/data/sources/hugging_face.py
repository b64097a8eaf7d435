"""Data sets of the Hugging Face library `datasets`, where it is installed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnets.data.reasons import reason
from kerasnets.data.records import Fetched
from kerasnets.data.sources.base import (
    ALL,
    Dataset,
    Split,
    other_splits,
    our_splits,
    register_source,
)
from kerasnets.errors import UserError


@dataclass(frozen=True, eq=False)
class Rows(Fetched):
    """The encoded images of a table on disk.

    Attributes:
        values: The table, a ``datasets.Dataset``.
        column: Name of the column of the images.
    """

    column: str

    def take(self, indices: np.ndarray) -> Rows:
        numbers = self.numbers_of(indices)
        return Rows(self.values.select(indices), self.column, numbers=numbers)

    def fetch(self, index: int) -> bytes:
        image = self.values[index][self.column]
        if image["bytes"] is not None:
            return image["bytes"]
        with open(image["path"], "rb") as file:
            return file.read()


def hugging_face(name: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """A data set by its name on the hub, or the folder that ``save_to_disk`` wrote."""
    try:
        import datasets  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError:
        raise UserError("hf: needs the library datasets: pip install datasets") from None

    try:
        is_saved = os.path.isdir(name) and any(
            os.path.exists(os.path.join(name, file)) for file in ("dataset_dict.json", "state.json")
        )
        tables = datasets.load_from_disk(name) if is_saved else datasets.load_dataset(name)
    except Exception as error:
        raise UserError(f"hf:{name} could not be loaded: {reason(error)}") from error
    if isinstance(tables, datasets.Dataset):
        tables = {ALL: tables}
    features = next(iter(tables.values())).features
    image = _column(features, datasets.Image, name)
    label = _column(features, datasets.ClassLabel, name)
    splits = {}
    for split, table in tables.items():
        encoded = table.select_columns([image]).cast_column(image, datasets.Image(decode=False))
        labels = np.array([-1 if each is None else each for each in table[label]], np.int32)
        splits[split] = Split(Rows(encoded, image), labels)
    others = {}
    if list(splits) != [ALL]:
        splits, others = our_splits(splits)
    left_out = other_splits({other: split.size for other, split in others.items()})
    names = tuple(features[label].names)
    return Dataset(f"hf:{name}", names, splits, left_out=left_out)


def _column(features: Any, kind: type, name: str) -> str:
    """The name of the column of a kind."""
    for column, feature in features.items():
        if isinstance(feature, kind):
            return column
    raise UserError(
        f"hf:{name} has no column of {kind.__name__}; its columns are {', '.join(features)}."
    )


register_source("hf", hugging_face, "hf:NAME")
