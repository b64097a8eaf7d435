"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.evaluation.results import Scores, check_numbers, fractions


@dataclass(frozen=True)
class Metrics:
    """The figures of one evaluation.

    Attributes:
        split: Name of the split.
        images: Number of images, each counted once.
        loss: Mean cross-entropy, in nats.
        top1: Top-1 accuracy: fraction of images whose true label came first, in [0, 1].
        top5: Top-5 accuracy, in [0, 1]; ``None`` for five classes and fewer.
        calibration_error: Expected calibration error: mean distance between the predicted label's
            probability and the accuracy, over bins of the probability, weighted by their images;
            in [0, 1].
        real: Fraction of images whose predicted label is one of their ReaL labels, of those that
            have any; ``None`` without such labels.
        confusion: (classes, classes) counts; rows are true labels, columns predicted labels.
        mistakes: The misclassified images, the most confident first.
        scores: What the network said of each image.
    """

    split: str
    images: int
    loss: float
    top1: float
    top5: float | None
    calibration_error: float
    real: float | None
    confusion: np.ndarray
    mistakes: tuple[Mistake, ...]
    scores: Scores

    @property
    def recall(self) -> np.ndarray:
        """Recall of each class, in [0, 1]; NaN for classes without images."""
        return fractions(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Precision of each class, in [0, 1]; NaN for classes that were never predicted."""
        return fractions(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """F1 of each class, the harmonic mean of both, in [0, 1]; NaN for classes not seen."""
        rows, columns = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return fractions(2 * np.diag(self.confusion), rows + columns)

    def summary(self) -> dict[str, object]:
        """The figures for all classes together, ready for JSON."""
        names = ("split", "images", "loss", "top1", "top5", "calibration_error", "real")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        top5 = "" if self.top5 is None else f", top-5 {self.top5:.2%}"
        real = "" if self.real is None else f", ReaL {self.real:.2%}"
        return (
            f"{self.split}: top-1 {self.top1:.2%}{top5}{real}, loss {self.loss:.4f}, "
            f"calibration error {self.calibration_error:.2%} on {self.images:,} images"
        )


@dataclass(frozen=True)
class Mistake:
    """A misclassified image.

    Attributes:
        image: Index of the image in the split.
        label: True label.
        answer: Predicted label.
        probability: Probability of the predicted label, in [0, 1].
    """

    image: int
    label: int
    answer: int
    probability: float


def measure(
    split: str,
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    real: Sequence[Sequence[int]] | None = None,
) -> Metrics:
    """The figures of a network's logits.

    Args:
        split: Name of the split.
        logits: Logits, (N, classes).
        labels: True labels, (N,) integers.
        real: ReaL labels of each image, maybe none: Beyer et al. 2020, arXiv 2006.07159,
            section 3.

    Raises:
        UserError: When a logit is no number.
    """
    check_numbers(split, logits)
    logits = logits.astype(np.float64)
    classes = logits.shape[1]
    true = logits[np.arange(len(labels)), labels]
    highest = logits.max(axis=1)
    log_sum = highest + np.log(np.exp(logits - highest[:, np.newaxis]).sum(axis=1))
    # A class that ties with the true label counts as ahead of it only if its index is lower.
    ahead = (logits > true[:, np.newaxis]).sum(axis=1)
    ahead += ((logits == true[:, np.newaxis]) & (np.arange(classes) < labels[:, np.newaxis])).sum(
        axis=1
    )
    scores = Scores.of(logits - log_sum[:, np.newaxis], labels)
    return Metrics(
        split=split,
        images=len(labels),
        loss=float((log_sum - true).mean()),
        top1=float((ahead < 1).mean()),
        top5=float((ahead < 5).mean()) if classes > 5 else None,
        calibration_error=scores.calibration_error(),
        real=None if real is None else _real_accuracy(scores.predicted, real),
        confusion=scores.confusion(classes),
        mistakes=_mistakes(scores),
        scores=scores,
    )


def _real_accuracy(predicted: np.ndarray, real: Sequence[Sequence[int]]) -> float:
    hits = [label in classes for label, classes in zip(predicted, real, strict=True) if classes]
    return float(np.mean(hits))


def _mistakes(scores: Scores) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(~scores.correct)
    wrong = wrong[np.argsort(-scores.confidence[wrong], kind="stable")]
    return tuple(
        Mistake(
            int(each),
            int(scores.labels[each]),
            int(scores.predicted[each]),
            float(scores.confidence[each]),
        )
        for each in wrong
    )
