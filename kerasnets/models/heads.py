"""The classifiers of more than one family."""

from __future__ import annotations

import dataclasses
from typing import Literal

from kerasnets.errors import UserError
from kerasnets.lazy import keras
from kerasnets.models.blocks import Initializer, Style, Tensor, drop


def logits(
    x: Tensor,
    style: Style,
    classes: int,
    *,
    use_bias: bool = True,
    kernel_initializer: Initializer | None = None,
    name: str = "logits",
) -> Tensor:
    """The last dense layer. It computes in float32 at least, whatever the precision of the rest."""
    kernel = kernel_initializer or style.initializer()
    options = {"use_bias": use_bias, "kernel_initializer": kernel, "name": name}
    return keras.layers.Dense(classes, dtype=at_least_float32(x), **options)(x)


def average_pool_head(
    x: Tensor, style: Style, classes: int, *, dropout: float = 0.0, logits_bias: bool = True
) -> Tensor:
    """Global average, dropout, dense: the head since Network in Network.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        classes: Their number.
        dropout: Fraction of the averages that is dropped in training, in [0, 1).
        logits_bias: Whether the dense layer has biases.
    """
    x = keras.layers.GlobalAveragePooling2D(name="average_pool")(x)
    x = drop(x, dropout, name="average_pool")
    return logits(x, style, classes, use_bias=logits_bias)


def flattened(x: Tensor) -> Tensor:
    """All that an image's maps hold, for dense layers: (N, H, W, C) to (N, H * W * C).

    Raises:
        UserError: When height or width are not known.
    """
    if None in x.shape[1:]:
        raise UserError("dense layers need an input of known height and width.")
    return keras.layers.Flatten(name="flatten")(x)


def classifier_style(style: Style, own: Style, kernel_initializer: dict) -> Style:
    """The style of a classifier whose initial weights are drawn by another rule than the rest.

    Args:
        style: The network's options, whose initial weights count where they were chosen.
        own: The options that the network has by default.
        kernel_initializer: Draws the classifier's initial weights by default.
    """
    if style.kernel_initializer != own.kernel_initializer:
        return style
    return dataclasses.replace(style, kernel_initializer=kernel_initializer)


def class_maps(x: Tensor, style: Style, classes: int, *, name: str) -> Tensor:
    """A 1x1 convolution to one map for each class, as exact as `logits`: (N, H, W, classes)."""
    kernel = style.initializer()
    return keras.layers.Conv2D(
        classes, 1, kernel_initializer=kernel, dtype=at_least_float32(x), name=name
    )(x)


def average_logits(x: Tensor) -> Tensor:
    """The average of each class's map, as exact as `logits`: (N, H, W, classes) to (N, classes)."""
    return keras.layers.GlobalAveragePooling2D(dtype=at_least_float32(x), name="logits")(x)


def at_least_float32(x: Tensor) -> str:
    """What logits compute in: float64 where the rest of the network does, else float32."""
    return keras.backend.result_type(x.dtype, "float32")


def dense_layers_head(
    x: Tensor,
    style: Style,
    classes: int,
    *,
    dense_head: Literal["flatten", "conv"] = "flatten",
    dropout: float = 0.5,
    dropout_first: bool = False,
    map_size: int = 7,
    bias_initializer: str = "zeros",
) -> Tensor:
    """Dense layers of 4096, 4096 and `classes` units: the head of AlexNet and VGG.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        classes: Their number.
        dense_head: ``"conv"`` makes them convolutions and averages the class maps, so that any
            input from the paper's size upwards works with the same weights: Simonyan and Zisserman
            2014, section 3.2.
        dropout: Fraction of the hidden units that is dropped in training, in [0, 1).
        dropout_first: Whether units are dropped before a hidden layer instead of after it.
        map_size: Height and width of x at the paper's input, the kernel of ``"conv"``.
        bias_initializer: Draws the first biases of the hidden layers.
    """
    _check_map(x, dense_head, map_size)
    if dense_head == "flatten":
        x = flattened(x)
    for name, kernel_size in (("fc6", map_size), ("fc7", 1)):
        if dropout_first:
            x = drop(x, dropout, name=name)
        if dense_head == "flatten":
            x = style.dense_act(x, 4096, bias_initializer=bias_initializer, name=name)
        else:
            biases = {"use_bias": True, "bias_initializer": bias_initializer}
            x = style.activate(style.conv(x, 4096, kernel_size, **biases, name=name), name=name)
        if not dropout_first:
            x = drop(x, dropout, name=name)
    if dense_head == "flatten":
        return logits(x, style, classes)
    return average_logits(class_maps(x, style, classes, name="fc8"))


def _check_map(x: Tensor, dense_head: str, map_size: int) -> None:
    """Raises where the dense layers do not fit the last feature map."""
    height, width = x.shape[1:3]
    if dense_head == "flatten" and None in (height, width):
        raise UserError(
            "dense_head='flatten' needs an input of known height and width; "
            "dense_head='conv' takes any."
        )
    if dense_head == "conv" and any(
        side is not None and side < map_size for side in (height, width)
    ):
        raise UserError(
            f"dense_head='conv' needs a last feature map of {map_size}x{map_size} or more. "
            f"Received: an input that leaves {height}x{width}; 'flatten' takes that."
        )
