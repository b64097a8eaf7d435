"""The files of an evaluation: figures, tables and pictures."""

from __future__ import annotations

import csv
import json
import math
import pathlib
from collections.abc import Iterable

import numpy as np

from kerasnets.data import evaluation_batches
from kerasnets.data.sources import Split
from kerasnets.evaluation import plots
from kerasnets.evaluation.metrics import Metrics, Mistake
from kerasnets.files import whole, write_text
from kerasnets.inputs import Preprocessing

FILES = (
    "metrics.json", "classes.csv", "confusion.csv", "confusion.png", "mistakes.csv", "mistakes.png"
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
) -> None:
    """Writes `FILES`: the figures in all and by class, the confusion matrix, and the misclassified
    images, the most confident first.

    Args:
        folder: Folder of the files.
        metrics: Figures from `evaluate`.
        class_names: A name for each class of the network.
        split: The split that was measured.
        preprocessing: Preprocessing of the network, which fits the pictures.
        channels: Channels of the network's input.
    """
    write_text(folder / "metrics.json", json.dumps(metrics.summary(), indent=2) + "\n")
    counts = metrics.confusion.sum(axis=1).tolist()
    precision, recall = (
        [_fraction(each) for each in x] for x in (metrics.precision, metrics.recall)
    )
    header = ("class", "images", "precision", "recall")
    _write_rows(
        folder / "classes.csv", header, zip(class_names, counts, precision, recall, strict=True)
    )
    _write_rows(
        folder / "confusion.csv",
        ("true \\ predicted", *class_names),
        ((name, *row) for name, row in zip(class_names, metrics.confusion.tolist(), strict=True)),
    )
    plots.save_confusion(folder / "confusion.png", metrics.confusion, class_names)
    _write_rows(
        folder / "mistakes.csv",
        ("image", "true", "predicted", "probability"),
        (
            (split.name(each.image), class_names[each.label], class_names[each.answer],
             f"{each.probability:.4f}")
            for each in metrics.mistakes
        ),
    )  # fmt: skip
    worst = metrics.mistakes[:SHOWN]
    titles = [
        f"true: {class_names[each.label]}\n"
        f"predicted: {class_names[each.answer]}, {each.probability:.0%}"
        for each in worst
    ]
    plots.save_pictures(
        folder / "mistakes.png", _pictures(worst, split, preprocessing, channels), titles
    )


def _fraction(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _write_rows(
    path: pathlib.Path, header: tuple[str, ...], rows: Iterable[Iterable[object]]
) -> None:
    with (
        whole(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _pictures(
    mistakes: tuple[Mistake, ...], split: Split, preprocessing: Preprocessing, channels: int
) -> list[np.ndarray]:
    """Misclassified images as the network sees them, (H, W, C) uint8."""
    if not mistakes:
        return []
    places = np.array([each.image for each in mistakes])
    # Some splits are read in the order of their files alone.
    order = np.argsort(places)
    chosen = split.take(places[order])
    batches = evaluation_batches(chosen, preprocessing, channels, batch_size=len(places))
    images = np.concatenate([images for images, _ in batches.as_numpy_iterator()])
    return list(images[np.argsort(order)])
