"""What an answer on an image is, and what gives one, whichever kind of model it is."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from kerasnets.data.marks import START, format_of, refusal
from kerasnets.data.reasons import reason
from kerasnets.data.sources.paths import is_remote
from kerasnets.errors import UserError
from kerasnets.export.names import ANSWER, NUMBERS, PRESENT
from kerasnets.lazy import tf
from kerasnets.tasks import TASKS, Task, task_of

# Best classes that an answer names.
TOP = 5


class Answer(NamedTuple):
    """What a model says of one image.

    Attributes:
        classes: Names of the best classes, best first: `TOP` at most, or all where an image may
            have several; or of the numbers that a network gives.
        scores: Their probabilities, or the numbers.
        probabilities: Probabilities of all classes, by label, (classes,) float32; none of numbers.
        present: Whether each of the best classes reaches its threshold, where an image may have
            several; ``None`` elsewhere.
    """

    classes: tuple[str, ...]
    scores: tuple[float, ...]
    probabilities: np.ndarray
    present: tuple[bool, ...] | None = None

    @property
    def numbers(self) -> bool:
        """Whether the scores are numbers, and no probabilities of classes."""
        return not self.probabilities.size

    @classmethod
    def named(cls, found: Mapping[str, ArrayLike]) -> Answer:
        """The answer in one row of a SavedModel's outputs, whose names are bytes or text."""
        numbers = NUMBERS[-1] in found
        names, scores = NUMBERS if numbers else ANSWER[1:]
        words = np.asarray(found[names]).tolist()
        return cls(
            classes=tuple(name.decode() if isinstance(name, bytes) else name for name in words),
            scores=tuple(np.asarray(found[scores]).tolist()),
            probabilities=np.asarray([] if numbers else found["probabilities"], np.float32),
            present=tuple(np.asarray(found[PRESENT]).tolist()) if PRESENT in found else None,
        )

    @classmethod
    def of(
        cls,
        found: np.ndarray,
        class_names: Sequence[str],
        task: Task = TASKS["classification"],
        thresholds: Sequence[float] = (),
    ) -> Answer:
        """The answer that probabilities of all classes make, or numbers, (classes,) float32."""
        if task.answers == "values":
            return cls(tuple(class_names), tuple(found.tolist()), np.zeros(0, np.float32))
        several = task.activation == "sigmoid"
        best = np.argsort(-found, kind="stable")[: None if several else TOP]
        names = tuple(class_names[int(label)] for label in best)
        limits = np.asarray(thresholds or [0.5] * len(found), np.float32)
        present = tuple((found[best] >= limits[best]).tolist()) if several else None
        return cls(names, tuple(found[best].tolist()), found, present)


class Unreadable(NamedTuple):
    """Stands for the answer on an image that cannot be read.

    Attributes:
        reason: What is wrong with it, without a full stop.
        words: The error about it: a sentence with ``{name}`` and ``{reason}``.
    """

    reason: str
    words: str = "{name!r} cannot be read as an image: {reason}."

    def error(self, name: str | os.PathLike) -> UserError:
        """The error that names the image."""
        return UserError(self.words.format(name=str(name), reason=self.reason))


class ImageModel(Protocol):
    """What answers on image files: a SavedModel, a run, a LiteRT or ONNX file, or a server.

    Attributes:
        class_names: Names of all classes, or of the numbers that it gives, by label; ``None`` where
            they are not told.
        batch_size: Images that it is best asked about at a time.
        facts: What its ``model.json`` says of it, as far as it has one.
        path: Its file or folder, where it is on this machine.
    """

    class_names: tuple[str, ...] | None
    batch_size: int
    facts: Mapping[str, Any] = MappingProxyType({})
    path: pathlib.Path | None = None

    @property
    def numbers(self) -> tuple[str, ...] | None:
        """Names of the numbers that it gives; ``None`` where it gives classes."""
        task = task_of(str(self.facts.get("task", "classification")))
        return self.class_names if task.answers == "values" else None

    def identity(self) -> str:
        """Tells this model from others: it is another where the answers may be."""
        ...

    def answer(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """The answer on each image file; it may be called in several threads at once.

        Raises:
            UserError: When no image at all can be answered, such as by a server that is gone.
        """
        ...

    def vectors(self, images: Sequence[bytes]) -> list[np.ndarray | Unreadable]:
        """What the classifier takes of each image file, (D,) float32: its embedding.

        Raises:
            UserError: When the model does not give it; also when asked about no images.
        """
        raise UserError(
            f"{type(self).__name__} models give no embeddings; a run and a SavedModel of it do."
        )


@dataclass(frozen=True)
class Prediction:
    """The answer on one image.

    Attributes:
        image: The image file: a path, or the name of what is no file of this machine's.
        classes, scores, probabilities, present: See `Answer`.
    """

    image: pathlib.Path | str
    classes: tuple[str, ...]
    scores: tuple[float, ...]
    probabilities: np.ndarray
    present: tuple[bool, ...] | None = None

    @property
    def numbers(self) -> bool:
        """Whether the scores are numbers, and no probabilities of classes."""
        return not self.probabilities.size

    @classmethod
    def of(cls, image: pathlib.Path | str, found: Mapping[str, ArrayLike]) -> Prediction:
        """The prediction in one row of an export's outputs, whose names are bytes or text."""
        return cls(image, *Answer.named(found))


def each_of(given: str | os.PathLike | Iterable[str | os.PathLike]) -> list[str | os.PathLike]:
    """Paths, or the one path: a string is no sequence of paths of a letter each."""
    return [given] if isinstance(given, (str, os.PathLike)) else list(given)


def image_files(
    images: str | os.PathLike | Sequence[str | os.PathLike],
) -> list[pathlib.Path]:
    """The paths of image files, or of the one.

    Raises:
        UserError: When there is no such file.
    """
    paths = [pathlib.Path(image) for image in each_of(images)]
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
            raise UserError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
        if format_of(start) is None:
            raise Unreadable(refusal(start)).error(path)


def read_image(path: pathlib.Path) -> bytes:
    """The bytes of an image file.

    Raises:
        UserError: When it cannot be read.
    """
    found = read_file(str(path))
    if isinstance(found, Unreadable):
        raise found.error(path)
    return found


def read_file(name: str) -> bytes | Unreadable:
    """The bytes of a file, maybe on a file system such as ``gs://``; or why there are none."""
    unreadable = tf.errors.OpError if is_remote(name) else OSError
    try:
        if is_remote(name):
            return tf.io.gfile.GFile(name, "rb").read()
        return pathlib.Path(name).read_bytes()
    except unreadable as error:
        why = getattr(error, "strerror", None) or reason(error)
        return Unreadable(why, "{name!r} cannot be read: {reason}.")
