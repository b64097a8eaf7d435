"""What an evaluation found."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metrics:
    """The figures of one evaluation.

    Attributes:
        split: What it was measured on.
        images: How many, each counted once.
        loss: Mean cross-entropy, in nats.
        top1: Share of images whose class came first, in [0, 1].
        top5: Share of images whose class was among the first five; ``None`` up to five classes.
        confusion: (classes, classes) counts; rows are the right classes, columns the answers.
    """

    split: str
    images: int
    loss: float
    top1: float
    top5: float | None
    confusion: np.ndarray

    def summary(self) -> dict[str, object]:
        """The figures without the confusion matrix, ready for JSON."""
        values = dataclasses.asdict(self)
        del values["confusion"]
        return values

    def __str__(self) -> str:
        top5 = "" if self.top5 is None else f", top-5 {self.top5:.2%}"
        return (
            f"{self.split}: top-1 {self.top1:.2%}{top5}, loss {self.loss:.4f} "
            f"on {self.images:,} images"
        )


def measure(split: str, logits: np.ndarray, labels: np.ndarray) -> Metrics:
    """The figures of these answers.

    Args:
        split: Name of what was measured on.
        logits: (N, classes).
        labels: (N,) integers.
    """
    logits = logits.astype(np.float64)
    classes = logits.shape[1]
    right = logits[np.arange(len(labels)), labels]
    highest = logits.max(axis=1)
    log_sum = highest + np.log(np.exp(logits - highest[:, np.newaxis]).sum(axis=1))
    # A class that ties with the right one counts as ahead of it only if its index is lower.
    ahead = (logits > right[:, np.newaxis]).sum(axis=1)
    ahead += ((logits == right[:, np.newaxis]) & (np.arange(classes) < labels[:, np.newaxis])).sum(
        axis=1
    )
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    return Metrics(
        split=split,
        images=len(labels),
        loss=float((log_sum - right).mean()),
        top1=float((ahead < 1).mean()),
        top5=float((ahead < 5).mean()) if classes > 5 else None,
        confusion=confusion,
    )
