"""What the units of a layer look for.

The first layer's filters are images themselves: Krizhevsky et al. 2012, figure 3. Later units are
shown by an image that they answer most to: Erhan, Bengio, Courville, Vincent 2009, "Visualizing
higher-layer features of a deep network", section 3, with the blur of Yosinski et al. 2015,
"Understanding neural networks through deep visualization", arXiv 1506.06579, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.graph import Layer, first, functional, layers_of, named, run_watching
from kerasnets.figures.boxes import theoretical_field
from kerasnets.figures.view import (
    View,
    check_units,
    chosen_places,
    model_name,
    new_figure,
    show_tiles,
)

# Units of a later layer that are shown where none are asked for.
UNITS = 16
STEPS = 128
# Each step moves the pixels by this fraction of their range, on average.
RATE = 0.02
# Every so many steps the image is blurred a little, or it would become noise.
BLUR_EVERY = 2
BLUR = np.array([0.1, 0.8, 0.1], np.float32)
RECTIFIERS = (keras.layers.Activation, keras.layers.ReLU)


def filters(
    model: keras.Model,
    layer: str | None = None,
    units: Sequence[int] | None = None,
    *,
    channel_order: str = "rgb",
    steps: int = STEPS,
    seed: int = 0,
) -> View:
    """The filters of the first convolution, or the images that a later layer's units answer to.

    >>> kerasnets.figures.filters(model).save("filters.png")
    >>> kerasnets.figures.filters(model, "stage3").save("stage3.png")

    Args:
        model: A functional or sequential model of images.
        layer: A layer's or stage's name; by default the first convolution.
        units: Channels of the layer; by default all of the first convolution, of a later layer
            `UNITS`, spread evenly.
        channel_order: ``"bgr"`` where the first convolution takes colours in that order.
        steps: Steps of gradient ascent, for later layers.
        seed: Seed of the noise that these start from.

    Returns:
        For the first convolution ``kernel`` (h, w, C, N), and ``tiles`` (N, h, w, C), each divided
        by twice its largest absolute weight and shifted by 0.5: grey is zero. For a later layer
        ``images`` (N, H, W, C) as the model takes them, cut to what the unit sees, and
        ``before`` and ``after`` (N,), what the units gave for the noise and for the images; of an
        activation's layer what it takes.

    Raises:
        UserError: When there is no such layer or unit.
    """
    model = functional(model)
    front = _first_convolution(model)
    chosen = named(model, layer) if layer else front
    if chosen is None:
        raise UserError(f"{model.name} has no convolution; name another --layer.")
    count: int = first(chosen.output).shape[-1]
    check_units(units or (), count, chosen.name)
    if chosen is front:
        return _tiles(model, chosen, list(units or range(count)), channel_order)
    spread = chosen_places(count, UNITS).tolist()
    return _maximal(model, chosen, list(units or spread), steps, seed)


def _first_convolution(model: Any) -> Layer | None:
    """The convolution that takes the colours of the image, if its kernel is dense."""
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel.shape[2] in (1, 3):
            return layer
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            return None
    return None


def _tiles(model: Any, layer: Any, units: Sequence[int], channel_order: str) -> View:
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float32)[..., list(units)]
    tiles = np.moveaxis(kernel, -1, 0)
    most = np.abs(tiles).max(axis=(1, 2, 3), keepdims=True)
    tiles = 0.5 + tiles / np.maximum(2 * most, 1e-30)
    shown = tiles[..., ::-1] if channel_order == "bgr" else tiles
    height, width = kernel.shape[:2]
    title = (
        f"{model_name(model)}: the {len(tiles)} filters of {layer.name}, {height} x {width} pixels"
    )
    figure = _sheet(shown, title, "each by its largest weight; grey is zero")
    return View({"kernel": kernel, "tiles": tiles}, figure)


def _maximal(model: Any, layer: Layer, units: list[int], steps: int, seed: int) -> View:
    height, width, channels = model.input_shape[1:]
    size = (height or 224, width or 224)
    maps = len(first(layer.output).shape) == 4
    field = theoretical_field(model, layer, size)
    row, column = field.unit
    low, high = (0.0, 255.0) if _raw(model) else (-2.5, 2.5)

    def answers(images: tf.Tensor, chosen: list[int]) -> tf.Tensor:
        """What each image's own unit gives in the middle of its map."""
        seen: list[Any] = []

        def watch(each: Layer, inputs: tuple[Any, ...], output: Any) -> None:
            if each is layer:
                # Where a ReLU gives 0 it has no gradient.
                seen.append(inputs if isinstance(each, RECTIFIERS) else output)

        run_watching(model, images, watch)
        output: Any = first(seen[-1])
        output = output[:, row, column] if maps else output
        return tf.gather(tf.cast(output, tf.float32), chosen, axis=1, batch_dims=1)

    noise = np.random.default_rng(seed).normal(size=(len(units), *size, channels))
    start = tf.constant((low + high) / 2 + 0.03 * (high - low) * noise, tf.float32)
    images = start
    for step in range(steps):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            total = tf.reduce_sum(answers(images, units))
        gradient: Any = tape.gradient(total, images)
        size_of = tf.sqrt(tf.reduce_mean(gradient**2, axis=(1, 2, 3), keepdims=True))
        images = images + RATE * (high - low) * gradient / tf.maximum(size_of, 1e-12)
        if step % BLUR_EVERY == 0 and step < steps - BLUR_EVERY:
            images = _blurred(images)
        images = tf.clip_by_value(images, low, high)
    before, after = (answers(each, units).numpy() for each in (start, images))
    box = field.box
    found = images.numpy()[:, box.top : box.bottom, box.left : box.right]
    title = f"{model_name(model)}: images that units of {layer.name} answer most to"
    note = f"units {', '.join(map(str, units))}; what each unit sees of the image"
    figure = _sheet((found - low) / (high - low), title, note)
    arrays = {"images": found, "before": before, "after": after, "units": np.array(units)}
    table = {"unit": units, "before": before.tolist(), "after": after.tolist()}
    return View(arrays, figure, table)


def _raw(model: Any) -> bool:
    """Whether a model takes pixels in 0 to 255."""
    return keras.backend.standardize_dtype(model.input.dtype) == "uint8"


def _blurred(images: tf.Tensor) -> tf.Tensor:
    channels: Any = images.shape[-1]
    for shape in ((3, 1), (1, 3)):
        kernel = np.tile(BLUR.reshape(*shape, 1, 1), (1, 1, channels, 1))
        edges = [[0, 0], [shape[0] // 2] * 2, [shape[1] // 2] * 2, [0, 0]]
        padded = tf.pad(images, edges, "SYMMETRIC")
        images = tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    return images


def _sheet(tiles: np.ndarray, title: str, note: str) -> Any:
    # Full rows where the number allows.
    least = math.ceil(math.sqrt(len(tiles)))
    full = (each for each in range(least, 2 * least + 1) if len(tiles) % each == 0)
    columns = next(full, math.ceil(math.sqrt(len(tiles) * 1.6)))
    rows = math.ceil(len(tiles) / columns)
    side = min(1.5, 8 / columns)
    figure = new_figure(max(6.0, columns * side), rows * side + 0.9, title)
    axes = figure.subplots()
    tiles = tiles[..., 0] if tiles.shape[-1] == 1 else tiles
    show_tiles(axes, tiles, columns, gap=1, cmap="gray", vmin=0, vmax=1)
    figure.supxlabel(note, fontsize=8)
    return figure
