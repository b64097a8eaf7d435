"""The parts of the Inception networks from v2 on: branches and the auxiliary classifier.

A branch is written as the papers draw it, from the input to the concatenation:
``branch(x, style, (64, 1), (96, 3), (96, 3), name="mixed5b_branch3x3dbl")``.
"""

from __future__ import annotations

from typing import Literal

from kerasnets.lazy import keras
from kerasnets.models.blocks import Stem, Style, Tensor, truncated_normal
from kerasnets.models.heads import logits

AveragePool = Literal["exclude_pad", "include_pad"]

# TF-Slim's, the authors' release: initial weights have He et al.'s variance, cut at two deviations.
SLIM_STYLE = Style(normalization="batch", norm_epsilon=1e-3, kernel_initializer="he_normal")


def stem_windows(stem: Stem) -> tuple[int, Literal["valid", "same"]]:
    """Strides and padding of the windows that make the map smaller in a stem for 299 pixels."""
    return (2, "valid") if stem == "imagenet" else (1, "same")


def branch(x: Tensor, style: Style, *convolutions: tuple, name: str) -> Tensor:
    """Convolutions in a row, each with its normalisation and activation.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        *convolutions: Each as (filters, kernel size), which keeps the size of x, or as (filters,
            kernel size, strides, padding).
        name: One is called ``{name}_conv``; several ``{name}_conv1``, ``{name}_conv2``...
    """
    for number, (filters, kernel_size, *rest) in enumerate(convolutions, start=1):
        strides, padding = rest or (1, "same")
        place = f"{name}_conv{number}" if len(convolutions) > 1 else f"{name}_conv"
        x = style.conv_norm_act(x, filters, kernel_size, strides, padding=padding, name=place)
    return x


def fork(x: Tensor, style: Style, filters: int, *, name: str) -> list[Tensor]:
    """A 1x3 and a 3x1 convolution side by side: ``{name}a`` and ``{name}b``."""
    return [
        style.conv_norm_act(x, filters, (1, 3), padding="same", name=f"{name}a"),
        style.conv_norm_act(x, filters, (3, 1), padding="same", name=f"{name}b"),
    ]


def average_pool_branch(
    x: Tensor, style: Style, filters: int, average_pool: AveragePool = "exclude_pad", *, name: str
) -> Tensor:
    """Average pooling 3x3 at stride 1, and a 1x1 convolution.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        filters: Number of filters of the convolution.
        average_pool: Whether a window at the edge counts its padding, as zeros.
    """
    padding = "same"
    if average_pool == "include_pad":
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    x = keras.layers.AveragePooling2D(3, 1, padding=padding, name=f"{name}_pool")(x)
    return branch(x, style, (filters, 1), name=name)


def auxiliary_head(x: Tensor, style: Style, classes: int, *, name: str) -> Tensor:
    """The auxiliary classifier of Inception v3 and v4, on the 17x17 map; returns its logits.

    Average 5x5 /3, 1x1 to 128, 5x5 to 768 without padding, dense.
    """
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)  # (N, 5, 5, C)
    x = style.conv_norm_act(x, 128, 1, name=f"{name}_conv1")
    weights = truncated_normal(0.01)
    x = style.conv_norm_act(x, 768, 5, kernel_initializer=weights, name=f"{name}_conv2")  # 1x1
    x = keras.layers.GlobalAveragePooling2D(name=f"{name}_average_pool")(x)
    weights = truncated_normal(0.001)
    return logits(x, style, classes, kernel_initializer=weights, name=f"{name}_logits")
