"""The maps of a layer for an image: Zeiler, Fergus 2013, arXiv 1311.2901, figure 4, left halves."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.graph import (
    Layer,
    first,
    functional,
    is_map,
    layers_of,
    named,
    run_watching,
    stages_of,
)
from kerasnets.figures.view import View, model_name, new_figure, show_image, show_tiles

# The most maps that are drawn.
MOST = 64


def maps(model: keras.Model, image: Any, layer: str | None = None, *, picture: Any = None) -> View:
    """What a layer or a stage makes of an image.

    Args:
        model: A functional or sequential model of images.
        image: (H, W, C), as the model takes it.
        layer: A layer's or stage's name; by default the first stage.
        picture: (H, W, C) uint8, drawn beside the maps.

    Returns:
        A view of ``maps`` (h, w, K) float32. The picture shows the `MOST` of them with the largest
        means, the largest first, all on one scale.

    Raises:
        UserError: When there is no such layer, or it has no maps.
    """
    model = functional(model)
    chosen = named(model, layer, maps=True) if layer else _default(model)
    seen: list[Any] = []
    run_watching(
        model,
        tf.cast(np.asarray(image)[None], tf.float32),
        lambda each, _, output: seen.append(output) if each is chosen else None,
    )
    output: Any = first(seen[-1])
    found = tf.cast(output, tf.float32).numpy()[0]
    strongest = np.argsort(-found.mean(axis=(0, 1)), kind="stable")[:MOST]
    height, width, count = found.shape
    some = f"the strongest {len(strongest)} of " if len(strongest) < count else ""
    title = f"{model_name(model)}: {some}{count} maps of {chosen.name}, {height} x {width}"
    columns = math.ceil(math.sqrt(len(strongest)))
    figure = new_figure(9.6 if picture is not None else 7.2, 6.6, title)
    if picture is not None:
        left, axes = figure.subplots(1, 2, width_ratios=(1, 3))
        show_image(left, picture, "the image")
    else:
        axes = figure.subplots()
    low, high = min(0.0, float(found.min())), max(float(np.percentile(found, 99.8)), 1e-6)
    tiles = np.moveaxis(found[..., strongest], -1, 0)
    show_tiles(axes, tiles, columns, gap=max(1, height // 16), cmap="viridis", vmin=low, vmax=high)
    bar = figure.colorbar(axes.images[0], ax=axes, shrink=0.8)
    bar.set_label("output of the layer", fontsize=8)
    return View({"maps": found}, figure)


def _default(model: Any) -> Layer:
    """The first stage of a registered network, the first layer with maps of another one."""
    stages = stages_of(model)
    if stages:
        # Some have a stem before it.
        return named(model, "stage1" if "stage1" in stages else next(iter(stages)), maps=True)
    with_maps = [layer for layer in layers_of(model) if is_map(layer)]
    if not with_maps:
        raise UserError(f"{model.name} has no layer with maps.")
    return with_maps[0]
