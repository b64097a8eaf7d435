"""Classes of different sizes: weights that make up for it, and rare images seen more often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kerasnets.data.records import Repeated
from kerasnets.data.sources.base import Split
from kerasnets.errors import UserError


def balanced_weights(labels: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """The weight of each class by name.

    Of one class for each image it is ``images / (classes * images of the class)``: the mean over
    the images is 1, and all classes weigh the same in the whole. Of several it is the number of
    images without the class for each one with it, so that yes and no weigh the same.

    Args:
        labels: Labels of the training images, (N,), or (N, classes) of 0 and 1.
        class_names: By label.

    Raises:
        UserError: When a class has no images.
    """
    one = labels.ndim == 1
    counts = np.bincount(labels, minlength=len(class_names)) if one else (labels > 0).sum(axis=0)
    if not counts.all():
        name = class_names[int(counts.argmin())]
        raise UserError(f"Balanced class weights: the class {name!r} has no training images.")
    if one:
        weights = len(labels) / (len(class_names) * counts)
    else:
        weights = np.maximum(len(labels) - counts, 1) / counts
    return dict(zip(class_names, weights.tolist(), strict=True))


def oversampled(split: Split, fraction: float) -> Split:
    """The split with images of rare classes several times.

    They follow from the split alone; what augmentation does to an image differs each time.

    Args:
        split: The training images, with one label each.
        fraction: How far the number of a class's images rises to that of the largest class, in
            [0, 1]: 0 leaves it, 1 makes all classes equally large.

    Raises:
        UserError: When the images are in files that are read from their beginnings.
    """
    if not fraction:
        return split
    if split.records.sequential:
        raise UserError(
            "oversample needs images that are found one by one; those of TFRecord files are read "
            "in the order of the files. Give --class-weights balanced instead."
        )
    classes = [np.flatnonzero(split.labels == label) for label in np.unique(split.labels)]
    most = max(map(len, classes))
    repeated = [np.resize(own, len(own) + round(fraction * (most - len(own)))) for own in classes]
    places = np.sort(np.concatenate(repeated))
    return Split(Repeated(places, split.records), split.labels[places])
