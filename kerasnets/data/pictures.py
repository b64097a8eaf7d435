"""Pictures of a data set: some images of each class, what an augmentation makes of them, copies."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import textwrap
from collections.abc import Sequence

import numpy as np

from kerasnets.data.augment import Augment
from kerasnets.data.checks import Alike, Place
from kerasnets.data.loading import whole_images
from kerasnets.data.pipeline import evaluation_batches, training_batches
from kerasnets.data.sources.base import Dataset, Split
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import tf
from kerasnets.plotting import drawable, save_figure

COLUMNS = 8
MOST_ROWS = 12
# Pairs of near duplicates beside each other, at most drawn, and the longer side of an image.
PAIRS_BESIDE = 2
MOST_PAIRS = 24
PAIR_SIDE = 224


def save_samples(path: str | os.PathLike, dataset: Dataset, split: Split, side: int) -> None:
    """Draws the first images of each class, a row for each; at most `MOST_ROWS` classes."""
    rows, names, drawn = [], [], drawable(dataset.class_names)
    for label in np.unique(split.labels)[:MOST_ROWS]:
        own = split.take(np.flatnonzero(split.labels == label)[:COLUMNS])
        rows.append(_fitted(own, side))
        names.append(f"{drawn[label]} ({(split.labels == label).sum():,})")
    _draw(path, rows, names, f"{dataset.name}: {len(dataset.class_names)} classes")


def save_augmented(
    path: str | os.PathLike, dataset: Dataset, split: Split, side: int, augment: Augment, name: str
) -> None:
    """Draws one image of each class, a row for each: as in evaluation, then augmented."""
    firsts = [np.flatnonzero(split.labels == label)[0] for label in np.unique(split.labels)]
    chosen = split.take(np.array(firsts[:MOST_ROWS]))
    names = [drawable(dataset.class_names)[label] for label in chosen.labels]
    # Numbered, to find each image again in the order of its epoch.
    numbered = dataclasses.replace(chosen, labels=np.arange(chosen.size, dtype=np.int32))
    augment = dataclasses.replace(augment, mix=None)
    epochs = training_batches(
        numbered, Preprocessing(size=(side, side)), 3, batch_size=chosen.size, augment=augment
    )
    columns = [_fitted(numbered, side)]
    for batch, labels in epochs.take(COLUMNS - 1).as_numpy_iterator():
        columns.append(batch[np.argsort(labels)])
    rows = list(np.stack(columns, axis=1))
    _draw(path, rows, names, f"{dataset.name}, augmentation {name}; on the left as in evaluation")


def save_pairs(
    path: str | os.PathLike, dataset: Dataset, pairs: Sequence[Alike], what: str
) -> None:
    """Draws the first pairs, at most `MOST_PAIRS`: both images, and where each of them is.

    Args:
        path: The file.
        dataset: Data set with the images.
        pairs: The pairs.
        what: What they are, for the title.
    """
    import matplotlib.figure

    shown = pairs[:MOST_PAIRS]
    pixels = _whole(dataset, [place for pair in shown for place in (pair.first, pair.second)])
    beside = min(PAIRS_BESIDE, len(shown))
    drawn = dict(zip(dataset.class_names, drawable(dataset.class_names), strict=True))
    lines = -(-len(shown) // beside)
    figure = matplotlib.figure.Figure(figsize=(5.2 * beside, 3 * lines + 0.4))
    first = f", the first {len(shown)}" if len(shown) < len(pairs) else ""
    (title,), (body,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(0.4, 3 * lines))
    title.suptitle(
        f"{dataset.name}, {what}: {len(pairs):,} pair{'s' * (len(pairs) > 1)}{first}",
        fontsize=10, y=0.4, va="center", parse_math=False,
    )  # fmt: skip
    for pair, part in zip(shown, body.subfigures(lines, beside, squeeze=False).flat, strict=False):
        serious = pair.leaks or pair.disagrees
        part.suptitle(_kind(pair), fontsize=8, y=0.97, weight="bold" if serious else "normal")
        for axis, place in zip(part.subplots(1, 2), (pair.first, pair.second), strict=True):
            axis.imshow(pixels[place.split, place.index], interpolation="nearest")
            axis.set_axis_off()
            # Of a long name the end, where files of one folder differ.
            name = textwrap.fill(
                pathlib.PurePath(place.name).name[-72:], 36, break_on_hyphens=False
            )
            place = dataclasses.replace(place, label=drawn.get(place.label, place.label))
            axis.text(
                0.5, -0.03, f"{place.words}\n{name}",
                transform=axis.transAxes, ha="center", va="top", fontsize=7, parse_math=False,
            )  # fmt: skip
        part.subplots_adjust(0.03, 0.19, 0.97, 0.9, 0.04)
    save_figure(figure, path, dpi=110)


def _kind(pair: Alike) -> str:
    serious = ["across splits"] * pair.leaks + ["different classes"] * pair.disagrees
    kind = ", ".join(serious) or "in one split"
    return f"{kind}: {pair.words}"


def _whole(dataset: Dataset, places: Sequence[Place]) -> dict[tuple[str, int], np.ndarray]:
    """Images as they are, no larger than `PAIR_SIDE`, by split and index."""
    found = {}
    for name, split in dataset.splits.items():
        indices = [place.index for place in places if place.split == name]
        for index, image in whole_images(split, indices, 3) if indices else ():
            if max(image.shape) > PAIR_SIDE:
                size = (PAIR_SIDE, PAIR_SIDE)
                small = tf.image.resize(image, size, preserve_aspect_ratio=True, antialias=True)
                image = tf.cast(tf.clip_by_value(small, 0, 255) + 0.5, tf.uint8).numpy()
            found[name, index] = image
    return found


def _fitted(split: Split, side: int) -> np.ndarray:
    batches = evaluation_batches(split, Preprocessing(size=(side, side)), 3, batch_size=split.size)
    return next(batches.as_numpy_iterator())[0]


def _draw(path: str | os.PathLike, rows: list[np.ndarray], names: list[str], title: str) -> None:
    """A table of images with a name on the left of each row."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(1.1 * COLUMNS + 1.6, 1.1 * len(rows) + 0.5))
    axes = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for row, (drawn, name) in enumerate(zip(rows, names, strict=True)):
        for column in range(COLUMNS):
            axes[row, column].set_axis_off()
            if column < len(drawn):
                axes[row, column].imshow(drawn[column], interpolation="nearest")
        axes[row, 0].text(
            -0.1, 0.5, name, transform=axes[row, 0].transAxes, ha="right", va="center",
            fontsize=8, parse_math=False,
        )  # fmt: skip
    figure.suptitle(title, fontsize=9, parse_math=False)
    figure.subplots_adjust(0.19, 0.01, 0.995, 1 - 0.4 / figure.get_figheight(), 0.04, 0.04)
    save_figure(figure, path, dpi=110)
