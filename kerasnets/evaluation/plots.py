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
    figure = Figure(figsize=(2 * columns, 2.4 * rows + 0.4))
    # One for all, in inches from the top: axes of their own would take a second for thirty images.
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 2 * columns), ylim=(2.4 * rows + 0.4, 0), autoscale_on=False)
    axis.axis("off")
    axis.text(columns, 0.2, title, fontsize=10, ha="center", va="center", parse_math=False)
    for index, (image, above) in enumerate(zip(images, titles, strict=True)):
        left, top = 2 * (index % columns) + 0.1, 2.4 * (index // columns) + 0.9
        height, width = 1.8 * np.array(image.shape[:2]) / max(image.shape[:2])
        left, top = left + (1.8 - width) / 2, top + (1.8 - height) / 2
        pixels = image.squeeze(-1) if image.shape[-1] == 1 else image
        place = (left, left + width, top + height, top)
        axis.imshow(pixels, cmap="gray", extent=place, aspect="auto")
        axis.text(
            *(left + width / 2, top - 0.06, above),
            fontsize=8, ha="center", va="bottom", parse_math=False,
        )  # fmt: skip
    save_figure(figure, path)
