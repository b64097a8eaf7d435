"""What an answer on an image is, whoever gives it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kerasnets.errors import UserError


@dataclass(frozen=True)
class Prediction:
    """The answer on one image.

    Attributes:
        image: The image file.
        classes: Names of the best classes, best first.
        scores: Their probabilities.
        probabilities: Probabilities of all classes, by label.
    """

    image: pathlib.Path
    classes: tuple[str, ...]
    scores: tuple[float, ...]
    probabilities: np.ndarray

    @classmethod
    def of(cls, image: pathlib.Path, answer: Mapping[str, ArrayLike]) -> Prediction:
        """The prediction in one row of an export's outputs, whose names are bytes or text."""
        names = np.asarray(answer["top_classes"]).tolist()
        return cls(
            image=image,
            classes=tuple(name.decode() if isinstance(name, bytes) else name for name in names),
            scores=tuple(np.asarray(answer["top_scores"]).tolist()),
            probabilities=np.asarray(answer["probabilities"], np.float32),
        )


def image_files(images: Sequence[str | os.PathLike]) -> list[pathlib.Path]:
    """The paths of image files.

    Raises:
        UserError: When there is no such file.
    """
    paths = [pathlib.Path(image) for image in images]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"There is no image file {missing[0]!r}.")
    return paths


def read_image(path: pathlib.Path) -> bytes:
    """The bytes of an image file.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
