"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Guo et al. 2017, arXiv 1706.04599, section 2.
CALIBRATION_BINS = 15


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

    @property
    def recall(self) -> np.ndarray:
        """Recall of each class, in [0, 1]; NaN for classes without images."""
        return _fractions(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Precision of each class, in [0, 1]; NaN for classes that were never predicted."""
        return _fractions(np.diag(self.confusion), self.confusion.sum(axis=0))

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


def _fractions(counts: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.divide(counts, of, out=np.full(len(counts), np.nan), where=of > 0)


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
    """
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
    predicted = logits.argmax(axis=1)
    probabilities = np.exp(highest - log_sum)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Metrics(
        split=split,
        images=len(labels),
        loss=float((log_sum - true).mean()),
        top1=float((ahead < 1).mean()),
        top5=float((ahead < 5).mean()) if classes > 5 else None,
        calibration_error=_calibration_error(probabilities, predicted == labels),
        real=None if real is None else _real_accuracy(predicted, real),
        confusion=confusion,
        mistakes=_mistakes(labels, predicted, probabilities),
    )


def _calibration_error(probabilities: np.ndarray, correct: np.ndarray) -> float:
    """The expected calibration error over bins of equal width."""
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, correct - probabilities, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(correct))


def _real_accuracy(predicted: np.ndarray, real: Sequence[Sequence[int]]) -> float:
    hits = [label in classes for label, classes in zip(predicted, real, strict=True) if classes]
    return float(np.mean(hits))


def _mistakes(
    labels: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray
) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(labels != predicted)
    wrong = wrong[np.argsort(-probabilities[wrong], kind="stable")]
    return tuple(
        Mistake(int(each), int(labels[each]), int(predicted[each]), float(probabilities[each]))
        for each in wrong
    )
