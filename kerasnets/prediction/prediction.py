"""What an answer on an image is, whoever gives it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.errors import UserError


@dataclass(frozen=True)
class Prediction:
    """The answer on one image.

    Attributes:
        image: The file.
        classes: The best classes' names, best first.
        scores: Their probabilities.
        probabilities: Of all classes, by label.
    """

    image: pathlib.Path
    classes: tuple[str, ...]
    scores: tuple[float, ...]
    probabilities: np.ndarray


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
