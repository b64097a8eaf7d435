"""What the Inception networks from v2 on share: their branches and their auxiliary head.

A branch is written as the papers draw it, from the input to the concatenation:
``branch(x, (64, 1), (96, 3), (96, 3), name="mixed5b_branch3x3dbl")``.
"""

from __future__ import annotations

from typing import Literal

from kerasnets.lazy import keras
from kerasnets.models.blocks import Stem, conv_norm_act, truncated_normal

AveragePool = Literal["exclude_pad", "include_pad"]

# Initial weights in TF-Slim, the authors' release: He et al.'s variance, cut at two deviations.
SLIM_INITIALIZER = "he_normal"


def stem_windows(stem: Stem) -> tuple[int, Literal["valid", "same"]]:
    """Strides and padding of the windows that make the map smaller in a stem for 299 pixels."""
    return (2, "valid") if stem == "imagenet" else (1, "same")


def branch(x: keras.KerasTensor, *convolutions: tuple, name: str) -> keras.KerasTensor:
    """Convolutions in a row, each with its normalisation and activation.

    Args:
        x: (N, H, W, C).
        *convolutions: Each as (filters, kernel size), which keeps the size of x, or as (filters,
            kernel size, strides, padding).
        name: One is called ``{name}_conv``; several ``{name}_conv1``, ``{name}_conv2``...
    """
    for number, (filters, kernel_size, *rest) in enumerate(convolutions, start=1):
        strides, padding = rest or (1, "same")
        place = f"{name}_conv{number}" if len(convolutions) > 1 else f"{name}_conv"
        x = conv_norm_act(x, filters, kernel_size, strides, padding=padding, name=place)
    return x


def fork(x: keras.KerasTensor, filters: int, *, name: str) -> list[keras.KerasTensor]:
    """A 1x3 and a 3x1 convolution side by side: ``{name}a`` and ``{name}b``."""
    return [
        conv_norm_act(x, filters, (1, 3), padding="same", name=f"{name}a"),
        conv_norm_act(x, filters, (3, 1), padding="same", name=f"{name}b"),
    ]


def average_pool_branch(
    x: keras.KerasTensor, filters: int, average_pool: AveragePool = "exclude_pad", *, name: str
) -> keras.KerasTensor:
    """Average pooling 3x3 at stride 1, and a 1x1 convolution.

    Args:
        x: (N, H, W, C).
        filters: Of the convolution.
        average_pool: Whether a window at the edge counts its padding, as zeros.
    """
    padding = "same"
    if average_pool == "include_pad":
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    x = keras.layers.AveragePooling2D(3, 1, padding=padding, name=f"{name}_pool")(x)
    return branch(x, (filters, 1), name=name)


def auxiliary_head(x: keras.KerasTensor, classes: int, *, name: str) -> keras.KerasTensor:
    """The side classifier of Inception v3 and v4, on the 17x17 map; returns its logits.

    Average 5x5 /3, 1x1 to 128, 5x5 to 768 without padding, dense.
    """
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)  # (N, 5, 5, C)
    x = conv_norm_act(x, 128, 1, name=f"{name}_conv1")
    x = conv_norm_act(
        x, 768, 5, kernel_initializer=truncated_normal(0.01), name=f"{name}_conv2"
    )  # (N, 1, 1, 768)
    x = keras.layers.GlobalAveragePooling2D(name=f"{name}_average_pool")(x)
    return keras.layers.Dense(
        classes,
        kernel_initializer=truncated_normal(0.001),
        dtype="float32",
        name=f"{name}_logits",
    )(x)


def module_and_kind(layer: str) -> tuple[str, str]:
    """A layer's name without its ``_bn``, and what PyTorch ports call it: ``conv`` or ``bn``."""
    module = layer.removesuffix("_bn")
    return module, "conv" if module == layer else "bn"


def numbered_names(*blocks: tuple[str, dict[str, str]]) -> dict[str, str]:
    """The names of layers that keras.applications numbers as it makes them, by our names.

    Args:
        *blocks: In its order: a block's name, and for each branch how its convolutions' names end,
            with spaces between them; ``{"_branch3x3_conv": "1 2"}``.

    Returns:
        ``conv2d#0`` for the first convolution, ``batch_normalization#0`` for its batch norm.
    """
    convolutions = [
        f"{block}{branch}{end}"
        for block, branches in blocks
        for branch, ends in branches.items()
        for end in ends.split(" ")
    ]
    names = {}
    for number, name in enumerate(convolutions):
        names[name] = f"conv2d#{number}"
        names[f"{name}_bn"] = f"batch_normalization#{number}"
    return names
