"""What an evaluation of several labels found: average precisions, and F1 at thresholds."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.data.sources import Split
from kerasnets.evaluation.results import Table, check_numbers, fractions, sigmoid
from kerasnets.files import write_csv, write_text

METRICS, CLASSES, ANSWERS = "metrics.json", "classes.csv", "predictions.csv"


@dataclass(frozen=True, eq=False)
class MultilabelMetrics:
    """The figures of one evaluation. A class without images counts in no mean.

    Attributes:
        split: Name of the split.
        images: Number of images, each counted once.
        loss: Mean binary cross-entropy of images and classes, in nats.
        labels: Whether each image has each class, (N, classes) bool.
        probabilities: What the network says, (N, classes), in [0, 1].
        thresholds: From which probability on each class is answered, (classes,).
        average_precision: Average precision of each class, that of scikit-learn; NaN for classes
            without images.
    """

    split: str
    images: int
    loss: float
    labels: np.ndarray
    probabilities: np.ndarray
    thresholds: np.ndarray
    average_precision: np.ndarray

    @property
    def mean_average_precision(self) -> float:
        """Mean of the classes' average precisions, in [0, 1]."""
        return float(np.nanmean(self.average_precision))

    def _counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each class the images that have it, that are said to, and both."""
        said = self.probabilities >= self.thresholds
        return self.labels.sum(0), said.sum(0), (self.labels & said).sum(0)

    @property
    def precision(self) -> np.ndarray:
        """Precision of each class at its threshold; NaN for classes that were never answered."""
        _, said, both = self._counts()
        return fractions(both, said)

    @property
    def recall(self) -> np.ndarray:
        """Recall of each class at its threshold; NaN for classes without images."""
        have, _, both = self._counts()
        return fractions(both, have)

    @property
    def f1(self) -> np.ndarray:
        """F1 of each class at its threshold; NaN for classes not seen."""
        have, said, both = self._counts()
        return fractions(2 * both, have + said)

    @property
    def macro_f1(self) -> float:
        """Mean of the F1 of the classes that have images."""
        return float(self.f1[self.labels.any(0)].mean())

    @property
    def micro_f1(self) -> float:
        """F1 of all answers together."""
        have, said, both = (each.sum() for each in self._counts())
        return float(2 * both / max(1, have + said))

    def summary(self) -> dict[str, object]:
        """The figures for all classes together, ready for JSON."""
        names = ("split", "images", "loss", "mean_average_precision", "macro_f1", "micro_f1")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return (
            f"{self.split}: mean average precision {self.mean_average_precision:.2%}, macro F1 "
            f"{self.macro_f1:.2%}, micro F1 {self.micro_f1:.2%}, loss {self.loss:.4f} on "
            f"{self.images:,} images"
        )


def measure(
    split: str, logits: np.ndarray, labels: np.ndarray, thresholds: Sequence[float] = ()
) -> MultilabelMetrics:
    """The figures of a network's logits.

    Args:
        split: Name of the split.
        logits: Logits, (N, classes).
        labels: 1 where an image has a class, 0 elsewhere, (N, classes).
        thresholds: Probability from which on each class is answered; 0.5 if not given.

    Raises:
        UserError: When a logit is no number.
    """
    from sklearn.metrics import average_precision_score

    check_numbers(split, logits)
    logits, have = logits.astype(np.float64), labels > 0
    # log(1 + exp(-x)) where a class is there, log(1 + exp(x)) elsewhere.
    loss = np.logaddexp(0, np.where(have, -logits, logits)).mean()
    probabilities = sigmoid(logits)
    areas = [
        average_precision_score(own, found) if own.any() else np.nan
        for own, found in zip(have.T, probabilities.T, strict=True)
    ]
    limits = np.array(thresholds or [0.5] * logits.shape[1])
    return MultilabelMetrics(
        split, len(labels), float(loss), have, probabilities, limits, np.array(areas)
    )


def best_thresholds(logits: np.ndarray, labels: np.ndarray) -> tuple[float, ...]:
    """The probability from which on each class has the highest F1; 0.5 without images of it.

    Args:
        logits: Logits of the validation images, (N, classes).
        labels: As for `measure`.
    """
    from sklearn.metrics import precision_recall_curve

    found = []
    for own, scores in zip((labels > 0).T, sigmoid(logits).T, strict=True):
        if not own.any():
            found.append(0.5)
            continue
        precision, recall, limits = precision_recall_curve(own, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(f1[:-1].argmax())
        # Half-way to the next score below, so that no rounding decides.
        found.append(float(limits[best] + (limits[best - 1] if best else 0)) / 2)
    return tuple(found)


def write_report(
    folder: pathlib.Path, metrics: MultilabelMetrics, class_names: tuple[str, ...], split: Split
) -> tuple[str, ...]:
    """Writes the figures in all and by class, and the probabilities of each image.

    Returns:
        The names of the files.
    """
    write_text(folder / METRICS, json.dumps(metrics.summary(), indent=2) + "\n")
    counts = metrics.labels.sum(axis=0).tolist()
    columns = (metrics.average_precision, metrics.thresholds, metrics.precision, metrics.recall,
               metrics.f1)  # fmt: skip
    figures = [["" if np.isnan(each) else f"{each:.4f}" for each in x] for x in columns]
    header = ("class", "images", "average_precision", "threshold", "precision", "recall", "f1")
    write_csv(folder / CLASSES, header, zip(class_names, counts, *figures, strict=True))
    columns, rows = answers(metrics, class_names)
    names = ((split.name(index), *row) for index, row in enumerate(rows))
    write_csv(folder / ANSWERS, ("image", *columns), names)
    return METRICS, CLASSES, ANSWERS


def answers(metrics: MultilabelMetrics, class_names: tuple[str, ...]) -> Table:
    """What the network said of each image: columns, and a row for each."""
    names, limits = np.array(class_names), metrics.thresholds
    rows = (
        ("|".join(names[own]), "|".join(names[said >= limits]), *(f"{each:.6f}" for each in said))
        for own, said in zip(metrics.labels, metrics.probabilities, strict=True)
    )
    return ("true", "predicted", *class_names), rows
