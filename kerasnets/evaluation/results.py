"""What an evaluation left in a folder, read again: the scores of its images, tables, mistakes."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import whole

# Names of columns, and rows.
Table: TypeAlias = tuple[tuple[str, ...], Iterable[Sequence[str]]]

SCORES, CONFUSION, MISTAKES = "scores.npz", "confusion.csv", "mistakes.csv"
# Guo et al. 2017, arXiv 1706.04599, section 2.
CALIBRATION_BINS = 15


def check_numbers(split: str, outputs: np.ndarray) -> None:
    """Raises a `UserError` that names the first image whose answer, (N, outputs), is no number."""
    wrong = np.flatnonzero(np.isnan(outputs).any(axis=1))
    if wrong.size:
        raise UserError(
            f"{split}: the answer for image {wrong[0]} is no number (nan), as are those for "
            f"{wrong.size - 1} more; in half precision a network may overflow."
        )


@dataclass(frozen=True, eq=False)
class Scores:
    """What the network said of each image, as far as figures need it.

    A class's ROC and precision-recall curves have their steps where an image of that class is
    found. Of each image we keep the step that it makes in the curves of its own class, which is
    all of them: 28 bytes an image, where the probabilities would take 4 for each class.

    Attributes:
        labels: True labels, (N,).
        predicted: Predicted labels, (N,).
        confidence: Probability of the predicted label, (N,), in [0, 1].
        hits: Images of the same true label that this label gets at least as probable, (N,).
        alarms: Images of other labels that this label gets at least as probable, (N,).
        tied: How many of these it gets exactly as probable, (N,).
    """

    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    tied: np.ndarray

    @classmethod
    def of(cls, log_probabilities: np.ndarray, labels: np.ndarray) -> Scores:
        """The scores of logarithms of probabilities, (N, classes)."""
        hits, alarms, tied = (np.zeros(len(labels), np.int32) for _ in range(3))
        for label in np.unique(labels):
            own, column = labels == label, log_probabilities[:, label]
            found, others, same = column[own], np.sort(column[~own]), np.sort(column[own])
            hits[own] = len(same) - np.searchsorted(same, found, "left")
            alarms[own] = len(others) - np.searchsorted(others, found, "left")
            tied[own] = alarms[own] - (len(others) - np.searchsorted(others, found, "right"))
        predicted = log_probabilities.argmax(axis=1)
        confidence = np.exp(log_probabilities[np.arange(len(labels)), predicted])
        kinds = (labels.astype(np.int32), predicted.astype(np.int32), confidence)
        return cls(*kinds, hits, alarms, tied)

    @property
    def correct(self) -> np.ndarray:
        """Whether each image was classified correctly, (N,) bool."""
        return self.labels == self.predicted

    def confusion(self, classes: int) -> np.ndarray:
        """(classes, classes) counts; rows are true labels, columns predicted labels."""
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (self.labels, self.predicted), 1)
        return confusion

    def reliability(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images, mean confidence and accuracy in each of `CALIBRATION_BINS` bins of confidence.

        The latter two are NaN in bins without images.
        """
        bins = np.minimum((self.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        counts = np.bincount(bins, minlength=CALIBRATION_BINS)
        sums = [np.bincount(bins, x, CALIBRATION_BINS) for x in (self.confidence, self.correct)]
        confidence, accuracy = (fractions(each, counts) for each in sums)
        return counts, confidence, accuracy

    def calibration_error(self) -> float:
        """The expected calibration error."""
        counts, confidence, accuracy = self.reliability()
        return float(np.nansum(counts * np.abs(confidence - accuracy)) / len(self.labels))

    def _steps(self, label: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hits, alarms and ties of a class's images, from the most probable one on."""
        own = np.flatnonzero(self.labels == label)
        own = own[np.lexsort((self.hits[own], self.alarms[own]))]
        # Images that the class gets equally probable make one step.
        last = np.append(self.hits[own][1:] != self.hits[own][:-1], True)[: len(own)]
        own = own[last]
        return self.hits[own], self.alarms[own], self.tied[own]

    def roc(self, label: int) -> tuple[np.ndarray, np.ndarray]:
        """False and true positive rates of a class against all others, from (0, 0) to (1, 1).

        Empty where all images are of the class, or none.
        """
        positives = int((self.labels == label).sum())
        negatives = len(self.labels) - positives
        if not positives or not negatives:
            return np.empty(0), np.empty(0)
        hits, alarms, tied = self._steps(label)
        # Each step goes right to where its images are found, then up, slanted where some tie.
        before = np.concatenate([[0], hits[:-1]])
        x = np.stack([alarms - tied, alarms], 1).ravel()
        y = np.stack([before, hits], 1).ravel()
        return (
            np.concatenate([[0], x, [negatives]]) / negatives,
            np.concatenate([[0], y, [positives]]) / positives,
        )

    def precision_recall(self, label: int) -> tuple[np.ndarray, np.ndarray]:
        """Recalls, ascending, and precisions of a class; empty where it has no images."""
        hits, alarms, _ = self._steps(label)
        return hits / max(1, (self.labels == label).sum()), fractions(hits, hits + alarms)

    def roc_area(self, label: int) -> float:
        """Area under the class's ROC curve; NaN where there is none."""
        x, y = self.roc(label)
        return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum()) if len(x) else float("nan")

    def average_precision(self, label: int) -> float:
        """Mean of the precisions, weighted by the recall gained; NaN without images."""
        recall, precision = self.precision_recall(label)
        gained = np.diff(recall, prepend=0)
        return float((gained * precision).sum()) if len(recall) else float("nan")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, (N, classes)."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, each of its own."""
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def fractions(counts: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Quotients; NaN where the denominator is zero."""
    return np.divide(counts, of, out=np.full(len(counts), np.nan), where=of > 0)


def save_scores(path: pathlib.Path, scores: Scores, split: str, names: Sequence[str]) -> None:
    """Writes the scores and the images' names; the same scores give the same bytes."""
    arrays = {field.name: getattr(scores, field.name) for field in dataclasses.fields(scores)}
    text = "\0".join([split, *names]).encode("utf-8", "surrogateescape")
    with whole(path) as partial:
        np.savez_compressed(partial, names=np.frombuffer(text, np.uint8), **arrays)


def read_scores(
    folder: str | os.PathLike, classes: int
) -> tuple[Scores, str, tuple[str, ...]] | None:
    """The scores of a run's evaluation, its split and its images' names.

    ``None`` where the evaluation is one of an earlier version, which wrote none.

    Raises:
        UserError: When the file is damaged.
    """
    path = pathlib.Path(folder) / SCORES
    if not path.is_file():
        return None
    try:
        # NumPy leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            text = file["names"].tobytes().decode("utf-8", "surrogateescape")
            arrays = {each.name: file[each.name] for each in dataclasses.fields(Scores)}
        split, *names = text.split("\0")
        if {each.shape for each in arrays.values()} != {(len(names),)}:
            raise ValueError("its arrays are of several lengths")
        for each in (arrays["labels"], arrays["predicted"]):
            if each.dtype.kind != "i" or each.min() < 0 or each.max() >= classes:
                raise ValueError(f"its labels are none of the {classes} classes")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{str(path)!r} is damaged: {error}.") from error
    return Scores(**arrays), split, tuple(names)


def read_confusion(folder: str | os.PathLike, classes: int) -> np.ndarray:
    """The confusion matrix of an evaluation, (classes, classes) counts.

    Raises:
        UserError: When the file is damaged or not there.
    """
    path = pathlib.Path(folder) / CONFUSION
    rows = read_rows(path)
    try:
        matrix = np.array([row[1:] for row in rows[1:]], np.int64)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{str(path)!r} is damaged: {error}.") from error
    if matrix.shape != (classes, classes):
        raise UserError(
            f"{str(path)!r} is damaged: expected {classes} rows of {classes} counts. Received: "
            f"{matrix.shape}."
        )
    return matrix


@dataclass(frozen=True)
class NamedMistake:
    """A row of ``mistakes.csv``: an image, its class, what it was taken for and how surely."""

    image: str
    true: str
    predicted: str
    probability: float


def read_mistakes(folder: str | os.PathLike) -> list[NamedMistake]:
    """The images that an evaluation was wrong about, the most confident mistakes first.

    Raises:
        UserError: When there is no evaluation, or the file is damaged.
    """
    path = pathlib.Path(folder) / MISTAKES
    if not path.is_file():
        raise UserError(f"The run in {str(folder)!r} has no evaluation: there is no {path}.")
    header, *rows = read_rows(path) or [[]]
    try:
        found = [dict(zip(header, row, strict=True)) for row in rows]
        return [
            NamedMistake(row["image"], row["true"], row["predicted"], float(row["probability"]))
            for row in found
        ]
    except (ValueError, KeyError) as error:
        raise UserError(f"{str(path)!r} is no list of mistakes: {error}.") from error


def read_rows(path: pathlib.Path) -> list[list[str]]:
    """The rows of a table that an evaluation wrote.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [row for row in csv.reader(file) if row]
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{str(path)!r} cannot be read: {reason}.") from error
