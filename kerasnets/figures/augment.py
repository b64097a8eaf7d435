"""One image on its way through a training pipeline, drawn several times."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnets.data.augment import Augment, augmentation
from kerasnets.data.loading import Loader
from kerasnets.data.randomness import uniform
from kerasnets.data.records import Paths, Pixels, Records
from kerasnets.data.sources.base import Split
from kerasnets.errors import UserError
from kerasnets.figures.view import ORANGE, View, new_figure, show_image
from kerasnets.inputs import Preprocessing

DRAWS = 6


def augment(
    image: str | os.PathLike | np.ndarray,
    augmenting: str | Augment,
    preprocessing: Preprocessing,
    *,
    channels: int = 3,
    draws: int = DRAWS,
    seed: int = 0,
    name: str = "",
) -> View:
    """What training makes of an image, stage by stage, in its first epochs.

    The last stage is what `kerasnets.data.training_batches` gives for this image alone, at the same
    seed, bit for bit. Layers of keras and keras-cv that draw from a generator of their own give
    other pixels each time. A mix of images is not shown: it needs a batch.

    Args:
        image: An image file, or (H, W, C) uint8.
        augmenting: An `Augment`, or what `kerasnets.data.augmentation` takes.
        preprocessing: The network's; its size is used.
        channels: Channels of the network's input.
        draws: How many epochs, a row each.
        seed: Seed of the run.
        name: What the title calls the pipeline.

    Returns:
        A view of ``original`` (H, W, C), ``stages`` (draws, stages, h, w, C) uint8, and, where the
        pipeline crops, ``windows`` (draws, 4): top, left, height and width in the original.

    Raises:
        UserError: When there is no such augmentation, or it does not take the image.
    """
    chosen = augmentation(augmenting) if isinstance(augmenting, str) else augmenting
    if draws < 1:
        raise UserError(f"draws must be at least 1. Received: {draws}.")
    chosen.check((*preprocessing.size, channels))
    records: Records = (
        Pixels(np.asarray(image)[None])
        if isinstance(image, np.ndarray)
        else Paths(np.array([os.fspath(image)], object))
    )
    split = Split(records, np.zeros(1, np.int32))
    # Of one image and batches of one an epoch is a step; the mix is of whole batches.
    chosen = dataclasses.replace(chosen, mix=None)
    epochs = tf.range(draws, dtype=tf.int64)
    random = uniform(seed, epochs, tf.zeros_like(epochs), max(1, chosen.num_random))
    index, record = next(iter(split.records.epoch(0, 1)))
    stages = []
    for count in range(len(chosen.transforms) + 1):
        part = dataclasses.replace(chosen, transforms=chosen.transforms[:count])
        loader = Loader(split, preprocessing, channels, part)
        # Traced once for all draws.
        one = tf.function(loader.one)
        stages.append([one(row, index, record)[0].numpy() for row in loader.draws(random)])
    original = Loader(split, preprocessing, channels, chosen).whole(index, record).numpy()
    arrays = {"original": original, "stages": np.stack(stages, axis=1)}
    if chosen.crop:
        sides = tf.constant([original.shape[:2]] * draws)
        drawn = chosen.crop.draws(random[:, : chosen.crop.num_random])
        arrays["windows"] = chosen.crop.windows(sides, preprocessing.size, drawn).numpy()
    names = [_words(each) for each in (chosen.crop or "fit", *chosen.transforms)]
    title = f"{name or 'augmentation'}: {draws} draws, seed {seed}"
    if not isinstance(image, np.ndarray):
        title = f"{pathlib.Path(image).name}, {title}"
    return View(arrays, _drawn(arrays, names, title))


def _words(transform: Any) -> str:
    """A transform as the picture calls it: ``pad crop flip``."""
    if isinstance(transform, str):
        return transform
    kind = getattr(transform, "name", None) or type(transform).__name__
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(kind)).lower()


def _drawn(arrays: dict[str, np.ndarray], names: Sequence[str], title: str) -> Any:
    from matplotlib.patches import Rectangle

    original, stages = arrays["original"], arrays["stages"]
    rows, columns = stages.shape[:2]
    wide = 1.45 * original.shape[1] / original.shape[0]
    wide = min(max(wide, 1.0), 2.6)
    figure = new_figure(wide + 1.5 * columns + 0.4, 1.45 * rows + 0.7, title)
    axes = figure.subplots(rows, columns + 1, squeeze=False, width_ratios=[wide, *[1.45] * columns])
    for row in range(rows):
        show_image(axes[row, 0], original, "" if row else "the image")
        axes[row, 0].set_ylabel(f"epoch {row + 1}", fontsize=8)
        if "windows" in arrays:
            top, left, height, width = arrays["windows"][row]
            frame = (left - 0.5, top - 0.5), width, height
            axes[row, 0].add_patch(Rectangle(*frame, fill=False, color=ORANGE, lw=1.5))
        for column in range(columns):
            show_image(axes[row, column + 1], stages[row, column], "" if row else names[column])
    return figure
