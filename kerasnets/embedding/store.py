"""Embeddings in a file: a vector of each image, with its name, class and split."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import parse_json, whole
from kerasnets.lazy import installed

ENDINGS = (".npz", ".parquet")
# The label of an image whose class nobody has told.
UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The vectors of images.

    Attributes:
        vectors: (N, D) float32.
        names: Names of the images, files mostly.
        labels: (N,) int32, indices into `class_names`; `UNKNOWN` where there is none.
        splits: The split of each image; empty strings where there are none.
        class_names: By label.
        about: By which network: ``model``, ``weights`` and ``options`` as a command takes them.
    """

    vectors: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray
    splits: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    about: dict[str, Any] = dataclasses.field(default_factory=dict)

    def of(self, split: str) -> Embeddings:
        """Those of a split."""
        return self.take(np.array([each == split for each in self.splits], bool).nonzero()[0])

    def take(self, indices: np.ndarray) -> Embeddings:
        """Those of some images, in this order."""
        return dataclasses.replace(
            self,
            vectors=self.vectors[indices],
            names=tuple(self.names[index] for index in indices),
            labels=self.labels[indices],
            splits=tuple(self.splits[index] for index in indices),
        )

    def class_of(self, index: int) -> str:
        """The name of an image's class; empty where it is not known."""
        label = int(self.labels[index])
        return "" if label == UNKNOWN else self.class_names[label]

    def save(self, path: pathlib.Path) -> None:
        """Writes ``.npz``, which NumPy reads, or ``.parquet``, which pandas reads.

        Raises:
            UserError: When it cannot be written, or pyarrow is not installed.
        """
        facts = json.dumps({"class_names": self.class_names, "about": self.about})
        if path.suffix == ".parquet":
            self._save_parquet(path, facts)
            return
        # An open file: by a name NumPy would add an ending.
        with whole(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file,
                vectors=self.vectors,
                names=np.array(self.names, str),
                labels=self.labels,
                splits=np.array(self.splits, str),
                facts=np.array(facts),
            )

    def _save_parquet(self, path: pathlib.Path, facts: str) -> None:
        check_parquet(path)
        import pyarrow
        from pyarrow import parquet

        columns = {
            "image": list(self.names),
            "split": list(self.splits),
            "class": [self.class_of(index) for index in range(len(self.names))],
            "vector": list(self.vectors),
        }
        table = pyarrow.table(columns).replace_schema_metadata({"kerasnets": facts})
        with whole(path) as partial:
            parquet.write_table(table, partial)

    @classmethod
    def load(cls, path: pathlib.Path) -> Embeddings:
        """The embeddings of a file that `save` wrote, or ``kerasnets predict --embeddings``.

        Raises:
            UserError: When it cannot be read, or holds something else.
        """
        check_parquet(path)
        try:
            return _from_parquet(path) if path.suffix == ".parquet" else _from_npz(path)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{str(path)!r} cannot be read: {reason}.") from error
        except (KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{str(path)!r} holds no embeddings of `kerasnets embed`.") from error


def check_parquet(path: pathlib.Path) -> None:
    """Refuses a Parquet file where pyarrow is not installed."""
    if path.suffix == ".parquet" and not installed("pyarrow"):
        raise UserError("A .parquet file needs pyarrow: pip install pyarrow; .npz needs nothing.")


def _from_npz(path: pathlib.Path) -> Embeddings:
    with np.load(path, allow_pickle=False) as file:
        facts = parse_json(str(file["facts"]))
        return Embeddings(
            vectors=file["vectors"],
            names=tuple(file["names"].tolist()),
            labels=file["labels"],
            splits=tuple(file["splits"].tolist()),
            class_names=tuple(facts["class_names"]),
            about=facts["about"],
        )


def _from_parquet(path: pathlib.Path) -> Embeddings:
    from pyarrow import parquet

    table = parquet.read_table(path)
    facts = parse_json((table.schema.metadata or {})[b"kerasnets"])
    label = {name: index for index, name in enumerate(facts["class_names"])}
    columns = table.to_pydict()
    # What predicts tells neither.
    unknown = [""] * table.num_rows
    classes, splits = (columns.get(name, unknown) for name in ("class", "split"))
    return Embeddings(
        vectors=np.array(columns["vector"], np.float32),
        names=tuple(columns["image"]),
        labels=np.array([label.get(name, UNKNOWN) for name in classes], np.int32),
        splits=tuple(splits),
        class_names=tuple(facts["class_names"]),
        about=facts["about"],
    )
