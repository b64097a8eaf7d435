"""The files of an evaluation: figures, tables and pictures."""

from __future__ import annotations

import json
import math
import pathlib

import numpy as np

from kerasnets.data.sources import Split
from kerasnets.evaluation import plots
from kerasnets.evaluation.metrics import Metrics, Mistake
from kerasnets.evaluation.results import CONFUSION, MISTAKES, SCORES, save_scores
from kerasnets.files import write_csv, write_text
from kerasnets.inputs import Preprocessing
from kerasnets.plotting import drawable

FILES = (
    "metrics.json", "classes.csv", CONFUSION, "confusion.png", MISTAKES, "mistakes.png", SCORES
)  # fmt: skip
# Number of images in the picture of misclassified images.
SHOWN = 24


def write_report(
    folder: pathlib.Path,
    metrics: Metrics,
    class_names: tuple[str, ...],
    split: Split,
    preprocessing: Preprocessing,
    channels: int,
) -> tuple[str, ...]:
    """Writes `FILES`: the figures in all and by class, the confusion matrix, the misclassified
    images, the most confident first, and the scores of every image.

    Measuring again writes the same bytes.

    Args:
        folder: Folder of the files.
        metrics: Figures from `evaluate`.
        class_names: A name for each class of the network.
        split: The split that was measured.
        preprocessing: Preprocessing of the network, which fits the pictures.
        channels: Channels of the network's input.

    Returns:
        The names of the files.
    """
    write_tables(folder, metrics, class_names, split)
    plots.save_confusion(folder / "confusion.png", metrics.confusion, class_names, str(metrics))
    worst = metrics.mistakes[:SHOWN]
    drawn = drawable(class_names)
    titles = [
        f"true: {drawn[each.label]}\npredicted: {drawn[each.answer]}, {each.probability:.0%}"
        for each in worst
    ]
    wrong = len(metrics.mistakes)
    plots.save_pictures(
        folder / "mistakes.png",
        _pictures(worst, split, preprocessing, channels),
        titles,
        f"{metrics.split}: {wrong:,} of {metrics.images:,} images misclassified"
        + (", the most confident ones" if wrong > SHOWN else ""),
    )
    return FILES


def write_tables(
    folder: pathlib.Path, metrics: Metrics, class_names: tuple[str, ...], split: Split
) -> None:
    """Writes the files of `write_report` that are no pictures; arguments as there."""
    write_text(folder / "metrics.json", json.dumps(metrics.summary(), indent=2) + "\n")
    counts = metrics.confusion.sum(axis=1).tolist()
    figures = [
        [_fraction(each) for each in x] for x in (metrics.precision, metrics.recall, metrics.f1)
    ]
    header = ("class", "images", "precision", "recall", "f1")
    write_csv(folder / "classes.csv", header, zip(class_names, counts, *figures, strict=True))
    write_csv(
        folder / CONFUSION,
        ("true \\ predicted", *class_names),
        ((name, *row) for name, row in zip(class_names, metrics.confusion.tolist(), strict=True)),
    )
    write_csv(
        folder / MISTAKES,
        ("image", "true", "predicted", "probability"),
        (
            (split.name(each.image), class_names[each.label], class_names[each.answer],
             f"{each.probability:.4f}")
            for each in metrics.mistakes
        ),
    )  # fmt: skip
    names = [split.name(index) for index in range(split.size)]
    save_scores(folder / SCORES, metrics.scores, metrics.split, names)


def _fraction(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _pictures(
    mistakes: tuple[Mistake, ...], split: Split, preprocessing: Preprocessing, channels: int
) -> list[np.ndarray]:
    """Misclassified images as the network sees them, (H, W, C) uint8."""
    from kerasnets.data.pipeline import evaluation_batches  # loads TensorFlow

    if not mistakes:
        return []
    places = np.array([each.image for each in mistakes])
    # Some splits are read in the order of their files alone.
    order = np.argsort(places)
    chosen = split.take(places[order])
    batches = evaluation_batches(chosen, preprocessing, channels, batch_size=len(places))
    images = np.concatenate([images for images, _ in batches.as_numpy_iterator()])
    return list(images[np.argsort(order)])
