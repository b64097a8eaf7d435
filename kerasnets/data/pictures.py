"""Pictures of a data set: some images of each class, and what an augmentation makes of them."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from kerasnets.data.augment import Augment
from kerasnets.data.pipeline import evaluation_batches, training_batches
from kerasnets.data.sources.base import Dataset, Split
from kerasnets.files import whole
from kerasnets.inputs import Preprocessing

COLUMNS = 8
MOST_ROWS = 12


def save_samples(path: str | os.PathLike, dataset: Dataset, split: Split, side: int) -> None:
    """Draws the first images of each class, a row for each; at most `MOST_ROWS` classes."""
    rows, names = [], []
    for label in np.unique(split.labels)[:MOST_ROWS]:
        own = split.take(np.flatnonzero(split.labels == label)[:COLUMNS])
        rows.append(_fitted(own, side))
        names.append(f"{dataset.class_names[label]} ({(split.labels == label).sum():,})")
    _draw(path, rows, names, f"{dataset.name}: {len(dataset.class_names)} classes")


def save_augmented(
    path: str | os.PathLike, dataset: Dataset, split: Split, side: int, augment: Augment, name: str
) -> None:
    """Draws one image of each class, a row for each: as in evaluation, then augmented."""
    firsts = [np.flatnonzero(split.labels == label)[0] for label in np.unique(split.labels)]
    chosen = split.take(np.array(firsts[:MOST_ROWS]))
    names = [dataset.class_names[label] for label in chosen.labels]
    # Numbered, to find each image again in the order of its epoch.
    numbered = dataclasses.replace(chosen, labels=np.arange(chosen.size, dtype=np.int32))
    augment = dataclasses.replace(augment, mix=None)
    epochs = training_batches(
        numbered, Preprocessing(size=(side, side)), 3, batch_size=chosen.size, augment=augment
    )
    columns = [_fitted(numbered, side)]
    for images, labels in epochs.take(COLUMNS - 1).as_numpy_iterator():
        columns.append(images[np.argsort(labels)])
    rows = list(np.stack(columns, axis=1))
    _draw(path, rows, names, f"{dataset.name}, augmentation {name}; on the left as in evaluation")


def _fitted(split: Split, side: int) -> np.ndarray:
    batches = evaluation_batches(split, Preprocessing(size=(side, side)), 3, batch_size=split.size)
    return next(batches.as_numpy_iterator())[0]


def _draw(path: str | os.PathLike, rows: list[np.ndarray], names: list[str], title: str) -> None:
    """A table of images with a name on the left of each row."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(1.1 * COLUMNS + 1.6, 1.1 * len(rows) + 0.5))
    axes = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for row, (images, name) in enumerate(zip(rows, names, strict=True)):
        for column in range(COLUMNS):
            axes[row, column].set_axis_off()
            if column < len(images):
                axes[row, column].imshow(images[column], interpolation="nearest")
        axes[row, 0].text(
            -0.1, 0.5, name, transform=axes[row, 0].transAxes, ha="right", va="center",
            fontsize=8, parse_math=False,
        )  # fmt: skip
    figure.suptitle(title, fontsize=9, parse_math=False)
    figure.subplots_adjust(0.19, 0.01, 0.995, 1 - 0.4 / figure.get_figheight(), 0.04, 0.04)
    with whole(path) as partial:
        figure.savefig(partial, format="png", dpi=110)
