"""Images whose label is probably wrong, found by confident learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kerasnets.errors import UserError


@dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
        image: Index of the image.
        label: Its label.
        suggested: The label that it probably has.
        own: Probability of its label, in [0, 1].
        other: Probability of the suggested one, in [0, 1].
    """

    image: int
    label: int
    suggested: int
    own: float
    other: float


def suspects(labels: np.ndarray, probabilities: np.ndarray) -> list[Suspect]:
    """The images whose label is probably wrong, the surest first.

    A class is confidently an image's if it gets at least the mean probability that it gets on the
    images of its label. An image is suspect if the most probable of its confident classes is not
    its label.

    Args:
        labels: Labels, (N,) integers.
        probabilities: What networks say that have not seen the image, (N, classes).

    Raises:
        UserError: When a class has no images, so that nothing tells how sure of it one can be.

    Source: Northcutt, Jiang, Chuang 2021, "Confident Learning", arXiv 1911.00068, section 3.1.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise UserError(f"The class of index {int(counts.argmin())} has no images here.")
    means = [probabilities[labels == label, label].mean() for label in range(classes)]
    confident = np.where(probabilities >= np.array(means), probabilities, -1.0)
    best = confident.argmax(axis=1)
    rows = np.arange(len(labels))
    own, other = probabilities[rows, labels], probabilities[rows, best]
    found = np.flatnonzero((confident.max(axis=1) >= 0) & (best != labels))
    found = found[np.argsort((own - other)[found], kind="stable")]
    return [
        Suspect(int(at), int(labels[at]), int(best[at]), float(own[at]), float(other[at]))
        for at in found
    ]
