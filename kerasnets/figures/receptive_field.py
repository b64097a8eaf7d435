"""The receptive field of a layer's unit: in theory, and what of it counts.

In theory: Araujo, Norris, Sim 2019, "Computing receptive fields of convolutional neural networks",
Distill, doi 10.23915/distill.00021. In effect: Luo, Li, Urtasun, Zemel 2016, "Understanding the
effective receptive field in deep convolutional neural networks", arXiv 1701.04128.
"""

from __future__ import annotations

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
)
from kerasnets.figures.boxes import Box, theoretical_field
from kerasnets.figures.view import ORANGE, View, model_name, new_figure, show_image
from kerasnets.inspection.memory import batch_within

# Luo et al. 2016, section 3: what is above 1 - 95.45 % of the centre, two deviations of a normal
# distribution, belongs to the effective field.
EFFECTIVE = 1 - 0.9545
# Images of noise that stand for images where none is given; section 3 averages over random inputs.
NOISE_IMAGES = 16


def receptive_field(
    model: keras.Model, layer: str | None = None, images: Any = None, picture: Any = None
) -> View:
    """What the middle unit of a layer sees of the image.

    >>> kerasnets.figures.receptive_field(kerasnets.build("vgg16"), "block5_pool").arrays["size"]
    array([212, 212])

    The theoretical field follows from kernels, strides, dilation and padding on all ways through
    the graph; the statistics that group or layer normalisation takes of the whole map do not
    count. The effective field is the absolute gradient of the unit's sum over all channels by the
    pixels, summed over colours and averaged over the images.

    Args:
        model: A functional or sequential model of images.
        layer: A layer's or stage's name; by default the last layer with maps.
        images: (N, H, W, C), as the model takes them; noise by default.
        picture: (H, W, C) uint8, what the fields are drawn on; nothing by default.

    Returns:
        A view of ``size`` (2,), height and width of the theoretical field in pixels, which may
        reach beyond the image; ``stride`` (2,), pixels from a unit's field to the next one's;
        ``box`` (4,), top, left, bottom and right (exclusive) of what of it lies in the image;
        ``effective`` (H, W), 1 at its largest; ``effective_size`` (), the square root of the
        number of pixels above 4.55 % of the largest.

    Raises:
        UserError: When there is no such layer, or one whose windows are not known.
    """
    model = functional(model)
    chosen = named(model, layer) if layer else _last_maps(model)
    images = _noise(model) if images is None else np.asarray(images)
    unit, size, stride, box = theoretical_field(model, chosen, images.shape[1:3])
    effective = _effective(model, chosen, unit, images)
    arrays = {
        "size": np.array(size),
        "stride": np.array(stride),
        "box": np.array(box),
        "effective": effective,
        "effective_size": np.sqrt((effective > EFFECTIVE).sum()),
    }
    title = (
        f"{model_name(model)}: unit {unit[0]}, {unit[1]} of {chosen.name}\n"
        f"theoretical field {size[0]} x {size[1]} pixels, "
        f"effective {arrays['effective_size']:.0f} x {arrays['effective_size']:.0f}"
    )
    figure = new_figure(8.4 if picture is not None else 4.8, 4.6, title)
    _draw(figure, effective, box, picture)
    table = {
        "layer": [chosen.name],
        "height": [size[0]], "width": [size[1]],
        "stride_height": [stride[0]], "stride_width": [stride[1]],
        "effective": [round(float(arrays["effective_size"]), 2)],
    }  # fmt: skip
    return View(arrays, figure, table)


def _last_maps(model: Any) -> Layer:
    layers = list(layers_of(model))
    return ([layer for layer in layers if is_map(layer)] or layers)[-1]


def _noise(model: Any) -> np.ndarray:
    height, width, channels = model.input_shape[1:]
    shape = (NOISE_IMAGES, height or 224, width or 224, channels)
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    raw = keras.backend.standardize_dtype(model.input.dtype) == "uint8"
    return np.clip(127.5 + 60 * noise, 0, 255) if raw else noise


def _effective(model: Any, layer: Layer, unit: tuple[int, ...], images: np.ndarray) -> np.ndarray:
    """Equation 2 of Luo et al.: the gradient that is 1 at the unit and 0 elsewhere, at the pixels.

    In float32 or above, from 0 to 1.
    """
    total = np.zeros(images.shape[1:3])
    step = batch_within(model, kept=True, size=images.shape[1:3])
    for start in range(0, len(images), step):
        pixels = tf.cast(images[start : start + step], tf.float32)
        seen: list[Any] = []

        def watch(each: Layer, _: Any, output: Any, seen: list[Any] = seen) -> None:
            if each is layer:
                seen.append(first(output))

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pixels)
            run_watching(model, pixels, watch)
            output: Any = seen[-1]
            # Images do not see each other, so the gradient of the sum is that of each.
            value = tf.reduce_sum(output[:, unit[0], unit[1]] if len(output.shape) == 4 else output)
        gradient: Any = tape.gradient(value, pixels)
        if gradient is not None:
            total += np.abs(gradient.numpy()).sum(axis=(0, 3))
    if not np.isfinite(total).all():
        raise UserError(
            f"The gradient of {layer.name} by the pixels of {model.name} is not finite; a network "
            "of hundreds of blocks has one after it was trained."
        )
    return total / max(total.max(), 1e-30)


def _draw(figure: Any, effective: np.ndarray, box: Box, picture: Any) -> None:
    from matplotlib.patches import Rectangle

    axes = figure.subplots(1, 2 if picture is not None else 1, squeeze=False)[0]
    if picture is not None:
        show_image(axes[0], picture, "the image; white: the effective field")
        axes[0].contour(effective, [EFFECTIVE], colors="white", linewidths=1.5)
    shown = axes[-1].imshow(np.sqrt(effective), cmap="magma", vmin=0, vmax=1)
    axes[-1].set_title(
        "gradient of the unit by each pixel; frame: the theoretical field", fontsize=8
    )
    axes[-1].set(xlabel="pixels", ylabel="pixels")
    for each in axes:
        frame = (box.left - 0.5, box.top - 0.5), box.right - box.left, box.bottom - box.top
        each.add_patch(Rectangle(*frame, fill=False, color=ORANGE, lw=2, clip_on=False))
    bar = figure.colorbar(shown, ax=list(axes), shrink=0.85)
    bar.set_ticks(np.sqrt([0, 0.05, 0.25, 0.5, 1]), labels=["0", "0.05", "0.25", "0.5", "1"])
    bar.set_label("fraction of the largest gradient", fontsize=8)
