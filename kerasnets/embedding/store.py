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
from kerasnets.tasks import TaskName, task_of

ENDINGS = (".npz", ".parquet")
# The label of an image whose class nobody has told.
UNKNOWN = -1


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The vectors of images.

    Attributes:
        vectors: (N, D) float32.
        names: Names of the images, files mostly.
        labels: (N,) int32, indices into `class_names`, `UNKNOWN` where there is none; for other
            tasks than classification (N, columns) float32, a number for each of `class_names`.
        splits: The split of each image; empty strings where there are none.
        class_names: By label.
        task: What the labels are for.
        about: By which network: ``model``, ``weights`` and ``options`` as a command takes them.
    """

    vectors: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray
    splits: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    task: TaskName = "classification"
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

    @property
    def unit(self) -> np.ndarray:
        """The vectors at length 1, (N, D) float32; zeros stay."""
        return unit(self.vectors)

    def class_of(self, index: int) -> str:
        """The name of an image's class, of several, or its numbers; empty where none is known."""
        label = self.labels[index]
        if self.task == "regression":
            return "|".join(f"{value:.6g}" for value in label)
        if self.task == "multilabel":
            return "|".join(np.array(self.class_names, object)[label > 0])
        return "" if label == UNKNOWN else self.class_names[label]

    def save(self, path: pathlib.Path) -> None:
        """Writes ``.npz``, which NumPy reads, or ``.parquet``, which pandas reads.

        Raises:
            UserError: When it cannot be written, or pyarrow is not installed.
        """
        facts = json.dumps(
            {"class_names": self.class_names, "task": self.task, "about": self.about}
        )
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
            # Names could hold the sign between them.
            **({} if self.task == "classification" else {"label": list(self.labels)}),
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
            **_described(facts),
        )


def _from_parquet(path: pathlib.Path) -> Embeddings:
    from pyarrow import parquet

    table = parquet.read_table(path)
    facts = parse_json((table.schema.metadata or {})[b"kerasnets"])
    columns, described = table.drop_columns("vector").to_pydict(), _described(facts)
    # As Python's numbers they would take eight times the memory.
    vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    # What predicts tells neither.
    unknown = [""] * table.num_rows
    classes, splits = (columns.get(name, unknown) for name in ("class", "split"))
    if described["task"] == "classification":
        label = {name: index for index, name in enumerate(described["class_names"])}
        labels = np.array([label.get(name, UNKNOWN) for name in classes], np.int32)
    else:
        labels = np.array(columns["label"], np.float32)
    return Embeddings(
        vectors=vectors.reshape(table.num_rows, -1).astype(np.float32),
        names=tuple(columns["image"]),
        labels=labels,
        splits=tuple(splits),
        **described,
    )


def _described(facts: Any) -> dict[str, Any]:
    """What a file says of all images; files of earlier versions are of one class an image."""
    return {
        "class_names": tuple(facts["class_names"]),
        "task": task_of(facts.get("task", "classification")).name,
        "about": facts["about"],
    }


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, D) at length 1, float32; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
