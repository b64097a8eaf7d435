"""What is written of each image, whichever format the file has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from kerasnets.errors import UserError
from kerasnets.prediction.prediction import Answer

# What a model says of an image: an answer, or the vector that its classifier takes.
Given: TypeAlias = Answer | np.ndarray
# What a column of Parquet holds: a word, a number, or a list of numbers.
Kind = Literal["text", "number", "numbers"]
IMAGE, CLASS, VECTOR = "image", "class", "vector"


class Columns(Protocol):
    """The columns beside that of the image.

    Attributes:
        names: Their names in CSV.
        types: Their names in Parquet, and what they hold.
        metadata: What a Parquet file says besides.
    """

    names: Sequence[str]
    types: Sequence[tuple[str, Kind]]
    metadata: Mapping[str, str] = MappingProxyType({})

    def cells(self, given: Any) -> list[object]:
        """The cells of an image in CSV, rounded; ``None`` for an empty one."""
        ...

    def fields(self, given: Any) -> dict[str, object]:
        """The values of an image in JSON, rounded."""
        ...

    def entry(self, given: Any) -> dict[str, object]:
        """The values of an image in Parquet; those of CSV if not said otherwise."""
        return dict(zip(self.names, self.cells(given), strict=True))


class Best(Columns):
    """The best classes and their scores.

    Args:
        top: How many.
    """

    def __init__(self, top: int) -> None:
        self.top = top
        pairs = [(f"class_{place}", f"score_{place}") for place in range(1, top + 1)]
        self.names = [name for pair in pairs for name in pair]
        self.types = [(name, "text" if name in dict(pairs) else "number") for name in self.names]

    def _best(self, answer: Answer) -> list[tuple[str, float]]:
        return list(zip(answer.classes, map(rounded, answer.scores), strict=True))[: self.top]

    def cells(self, given: Answer) -> list[object]:
        found: list[object] = [value for pair in self._best(given) for value in pair]
        return found + [None] * (len(self.names) - len(found))

    def fields(self, given: Answer) -> dict[str, object]:
        return {"top": [{CLASS: name, "score": score} for name, score in self._best(given)]}


class Probabilities(Columns):
    """The best class, and the probabilities of all; their names are Parquet's ``classes``."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self.names = [CLASS, *class_names]
        self.types = [(CLASS, "text"), ("probabilities", "numbers")]
        self.metadata = {"classes": json.dumps(list(class_names))}

    def cells(self, given: Answer) -> list[object]:
        return [given.classes[0], *map(rounded, given.probabilities.tolist())]

    def fields(self, given: Answer) -> dict[str, object]:
        best, *values = self.cells(given)
        return {CLASS: best, "probabilities": values}

    def entry(self, given: Answer) -> dict[str, object]:
        return {CLASS: given.classes[0], "probabilities": given.probabilities}


class Numbers(Columns):
    """The numbers that a network gives, by their names."""

    def __init__(self, names: Sequence[str]) -> None:
        if IMAGE in names:
            raise UserError(
                f"--out cannot write a number that is called {IMAGE!r}, as the column of the names "
                "of the images is; --json prints it."
            )
        self.names = names
        self.types = [(name, "number") for name in names]

    def cells(self, given: Answer) -> list[object]:
        return [*map(rounded, given.scores)]

    def fields(self, given: Answer) -> dict[str, object]:
        return {"values": self.entry(given)}


class Vectors(Columns):
    """The vector that the classifier takes of an image; `kerasnets.embedding` reads such Parquet.

    Args:
        about: By which network, see `kerasnets.embedding.Embeddings`.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        self.names = [VECTOR]
        self.types = [(VECTOR, "numbers")]
        self.metadata = {"kerasnets": json.dumps({"class_names": [], "about": dict(about)})}

    def cells(self, given: np.ndarray) -> list[object]:
        return [[*map(rounded, given.tolist())]]

    def fields(self, given: np.ndarray) -> dict[str, object]:
        return dict(zip(self.names, self.cells(given), strict=True))

    def entry(self, given: np.ndarray) -> dict[str, object]:
        return {VECTOR: given}


def rounded(number: float) -> float:
    """Six digits: float32 has seven, of which the last differ between machines."""
    return float(f"{number:.6g}")
