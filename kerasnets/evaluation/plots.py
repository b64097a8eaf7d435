"""Pictures of an evaluation: the confusion matrix, and images with titles."""

from __future__ import annotations

import pathlib
import textwrap

import numpy as np
from matplotlib.figure import Figure

from kerasnets.plotting import drawable, save_figure


def save_confusion(
    path: pathlib.Path, confusion: np.ndarray, class_names: tuple[str, ...], title: str
) -> None:
    """Draws a confusion matrix in fractions of each true label, with counts up to 20 classes."""
    classes, class_names = len(class_names), drawable(class_names)
    side = min(16, 3 + 0.5 * classes)
    fraction = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    figure.suptitle(textwrap.fill(title, int(10 * side)), fontsize=9, parse_math=False)
    image = axis.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="fraction of the true label", shrink=0.8)
    axis.set(xlabel="predicted label", ylabel="true label")
    if classes <= 60:
        rotation = 90 if max(map(len, class_names)) > 3 else 0
        axis.set_xticks(range(classes), class_names, rotation=rotation, parse_math=False)
        axis.set_yticks(range(classes), class_names, parse_math=False)
    if classes <= 20:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            colour = "white" if fraction[row, column] > 0.5 else "black"
            count = str(confusion[row, column])
            axis.text(column, row, count, ha="center", va="center", color=colour, size=8)
    save_figure(figure, path)


def save_pictures(
    path: pathlib.Path, images: list[np.ndarray], titles: list[str], title: str
) -> None:
    """Draws images, (H, W, 1 or 3) uint8, six in a row, each below its title."""
    columns = 6
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(2 * columns, 2.5 * rows), layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray")
        axis.set_title(title, fontsize=8, parse_math=False)
    save_figure(figure, path)
