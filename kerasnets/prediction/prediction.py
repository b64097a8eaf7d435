"""What an answer on an image is, whoever gives it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kerasnets.data.marks import START, format_of, refusal
from kerasnets.errors import UserError
from kerasnets.export.names import ANSWER, NUMBERS, PRESENT
from kerasnets.export.versions import versions
from kerasnets.runs.run import Run


@dataclass(frozen=True)
class Prediction:
    """The answer on one image.

    Attributes:
        image: The image file.
        classes: Names of the best classes, best first; or of the numbers that a network gives.
        scores: Their probabilities, or the numbers.
        probabilities: Probabilities of all classes, by label; none of numbers.
        present: Whether each of the best classes reaches its threshold, where an image may have
            several; ``None`` elsewhere.
    """

    image: pathlib.Path
    classes: tuple[str, ...]
    scores: tuple[float, ...]
    probabilities: np.ndarray
    present: tuple[bool, ...] | None = None

    @property
    def numbers(self) -> bool:
        """Whether the scores are numbers, and no probabilities of classes."""
        return not self.probabilities.size

    @classmethod
    def of(cls, image: pathlib.Path, answer: Mapping[str, ArrayLike]) -> Prediction:
        """The prediction in one row of an export's outputs, whose names are bytes or text."""
        numbers = NUMBERS[-1] in answer
        names, scores = NUMBERS if numbers else ANSWER[1:]
        found = np.asarray(answer[names]).tolist()
        return cls(
            image=image,
            classes=tuple(name.decode() if isinstance(name, bytes) else name for name in found),
            scores=tuple(np.asarray(answer[scores]).tolist()),
            probabilities=np.asarray([] if numbers else answer["probabilities"], np.float32),
            present=tuple(np.asarray(answer[PRESENT]).tolist()) if PRESENT in answer else None,
        )


def image_files(images: Sequence[str | os.PathLike]) -> list[pathlib.Path]:
    """The paths of image files.

    Raises:
        UserError: When there is no such file.
    """
    paths = [pathlib.Path(image) for image in images]
    for path in paths:
        if path.is_dir():
            raise UserError(f"{str(path)!r} is a folder; give the image files in it.")
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"There is no image file {missing[0]!r}.")
    return paths


def check_images(paths: Sequence[pathlib.Path]) -> None:
    """Refuses files that do not begin as images do; TensorFlow is not needed to tell that.

    Raises:
        UserError: For the first such file, or one that cannot be read.
    """
    for path in paths:
        try:
            with path.open("rb") as file:
                start = file.read(START)
        except OSError as error:
            raise _unreadable(path, error) from error
        if format_of(start) is None:
            raise UserError(f"{str(path)!r} cannot be read as an image: {refusal(start)}.")


def model_kind(folder: pathlib.Path) -> Literal["versions", "savedmodel", "run"]:
    """What kind of model there is in a folder; nothing of it is loaded.

    Raises:
        UserError: When there is no such folder, or none of these in it, or an unfinished run.
    """
    if not folder.is_dir():
        raise UserError(f"There is no SavedModel or run folder {str(folder)!r}.")
    if versions(folder):
        return "versions"
    if (folder / "saved_model.pb").is_file():
        return "savedmodel"
    if (folder / "config.json").is_file():
        Run.load(folder).check_finished()
        return "run"
    raise UserError(
        f"{str(folder)!r} is neither a SavedModel (no saved_model.pb, no numbered versions) nor a "
        "run folder (no config.json)."
    )


def read_image(path: pathlib.Path) -> bytes:
    """The bytes of an image file.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: pathlib.Path, error: OSError) -> UserError:
    return UserError(f"{str(path)!r} cannot be read: {error.strerror or error}.")
