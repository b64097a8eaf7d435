"""The pictures of a run: how it learned, and what it takes for what."""

from __future__ import annotations

import pathlib

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasnets.files import whole


def save_curves(path: pathlib.Path, rows: list[dict[str, float]], title: str) -> None:
    """Draws loss, accuracy and learning rate over the epochs.

    Args:
        path: Of the PNG.
        rows: Of the run's ``history.csv``.
        title: Above the picture.
    """
    epochs = [row["epoch"] for row in rows]
    figure = Figure(figsize=(13, 4), layout="constrained")
    axes = figure.subplots(1, 3)
    figure.suptitle(title, parse_math=False)
    for axis, name in zip(axes, ("loss", "accuracy"), strict=False):
        axis.plot(epochs, [row[name] for row in rows], marker=".", label="training")
        if f"val_{name}" in rows[0]:
            axis.plot(epochs, [row[f"val_{name}"] for row in rows], marker=".", label="validation")
        axis.set(xlabel="epoch", ylabel=name)
        axis.legend()
    axes[0].set_yscale("log")
    axes[2].plot(epochs, [row["learning_rate"] for row in rows], marker=".", color="tab:green")
    axes[2].set(xlabel="epoch", ylabel="learning rate at the epoch's end")
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    _save(figure, path)


def save_confusion(path: pathlib.Path, confusion: np.ndarray, class_names: tuple[str, ...]) -> None:
    """Draws a confusion matrix in shares of each right class, with counts up to 20 classes."""
    classes = len(class_names)
    side = min(16, 3 + 0.5 * classes)
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the right class", shrink=0.8)
    axis.set(xlabel="answer", ylabel="right class")
    if classes <= 60:
        rotation = 90 if max(map(len, class_names)) > 3 else 0
        axis.set_xticks(range(classes), class_names, rotation=rotation, parse_math=False)
        axis.set_yticks(range(classes), class_names, parse_math=False)
    if classes <= 20:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            colour = "white" if share[row, column] > 0.5 else "black"
            axis.text(
                column, row, confusion[row, column], ha="center", va="center", color=colour, size=8
            )
    _save(figure, path)


def save_pictures(path: pathlib.Path, images: list[np.ndarray], titles: list[str]) -> None:
    """Draws images, (H, W, 1 or 3) uint8, six in a row, each below its title."""
    columns = 6
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(2 * columns, 2.5 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image.squeeze(-1) if image.shape[-1] == 1 else image, cmap="gray")
        axis.set_title(title, fontsize=8, parse_math=False)
    _save(figure, path)


def _save(figure: Figure, path: pathlib.Path) -> None:
    with whole(path) as partial:
        figure.savefig(partial, format="png", dpi=120)
