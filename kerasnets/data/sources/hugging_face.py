"""Data sets of the Hugging Face library `datasets`, where it is installed."""

from __future__ import annotations

import os

import numpy as np

from kerasnets.data.sources.base import SPLIT_FOLDERS, SPLITS, Dataset, Split
from kerasnets.data.sources.holding_out import with_test
from kerasnets.errors import UserError


class Rows:
    """The encoded images of a table on disk, fetched by number."""

    def __init__(self, table: object, column: str) -> None:
        self.table = table
        self.column = column

    def __getitem__(self, indices: np.ndarray) -> Rows:
        return Rows(self.table.select(indices), self.column)

    def fetch(self, index: int) -> bytes:
        """The bytes of an image file."""
        image = self.table[int(index)][self.column]
        if image["bytes"] is not None:
            return image["bytes"]
        with open(image["path"], "rb") as file:
            return file.read()


def hugging_face(name: str, test_fraction: float) -> Dataset:
    """A data set by its name on the hub, or the folder that ``save_to_disk`` wrote."""
    try:
        import datasets
    except ImportError:
        raise UserError("hf: needs the library datasets: pip install datasets") from None

    try:
        is_saved = os.path.isdir(name) and any(
            os.path.exists(os.path.join(name, file)) for file in ("dataset_dict.json", "state.json")
        )
        tables = datasets.load_from_disk(name) if is_saved else datasets.load_dataset(name)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"hf:{name} could not be loaded: {reason}") from error
    if isinstance(tables, datasets.Dataset):
        tables = {"all": tables}
    features = next(iter(tables.values())).features
    image = _column(features, datasets.Image, name)
    label = _column(features, datasets.ClassLabel, name)
    splits = {}
    for split, table in tables.items():
        encoded = table.select_columns([image]).cast_column(image, datasets.Image(decode=False))
        labels = np.array([-1 if each is None else each for each in table[label]], np.int32)
        splits[SPLIT_FOLDERS.get(split, split)] = Split(Rows(encoded, image), labels, "rows")
    if list(splits) == ["all"]:
        splits = with_test(splits["all"], test_fraction, name)
    splits = {split: splits[split] for split in SPLITS if split in splits}
    return Dataset(f"hf:{name}", tuple(features[label].names), (None, None, None), splits)


def _column(features: object, kind: type, name: str) -> str:
    """The name of the column of a kind."""
    for column, feature in features.items():
        if isinstance(feature, kind):
            return column
    raise UserError(
        f"hf:{name} has no column of {kind.__name__}; its columns are {', '.join(features)}."
    )
