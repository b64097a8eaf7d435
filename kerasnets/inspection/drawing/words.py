"""What a box says about a layer."""

from __future__ import annotations

import re
from typing import Any, Literal

import keras

from kerasnets.layers import (
    CeilPooling2D,
    EuclideanRBF,
    HighwayGate,
    InceptionConcat,
    LocalResponseNormalization,
    ResidualAdd,
    SparseConnectionConv2D,
    TrainableSubsampling,
)

Kind = Literal[
    "input",
    "convolution",
    "pooling",
    "dense",
    "normalization",
    "merge",
    "projection",
    "block",
    "other",
]
_NAMES = {"relu": "ReLU", "relu6": "ReLU6", "prelu": "PReLU", "scaled_tanh": "scaled tanh"}


def kind_of(layer: Any, inputs: int) -> Kind:
    """What a layer is drawn as.

    Args:
        layer: A layer, a model within the model, or another operation.
        inputs: How many tensors it reads.
    """
    name = type(layer).__name__
    if isinstance(layer, keras.layers.InputLayer):
        return "input"
    if inputs > 1:
        return "merge"
    if isinstance(layer, SparseConnectionConv2D) or "Conv" in name:
        return "convolution"
    if isinstance(layer, (keras.layers.Dense, EuclideanRBF)):
        return "dense"
    if "Pool" in name or isinstance(layer, TrainableSubsampling):
        return "pooling"
    return "normalization" if "Normalization" in name else "other"


def words_of(layer: Any, filters: int | None, parts: int = 1) -> str:
    """A layer in a few words, such as "3×3 conv, 64, /2".

    Args:
        layer: A layer, a model within the model, or another operation.
        filters: Channels of its output.
        parts: Number of towers that the layer is cut into.
    """
    if isinstance(layer, (keras.layers.DepthwiseConv2D, keras.layers.DepthwiseConv1D)):
        return f"{_window(layer.kernel_size)} depthwise{_stride(layer.strides)}"
    if isinstance(layer, SparseConnectionConv2D):
        return f"{_window(layer.kernel_size)} conv, {filters}, sparse"
    if hasattr(layer, "kernel_size"):
        groups = getattr(layer, "groups", 1) // parts
        grouped = f", {groups} groups" if groups > 1 else ""
        return f"{_window(layer.kernel_size)} conv, {filters}{_stride(layer.strides)}{grouped}"
    if isinstance(layer, TrainableSubsampling):
        return f"{_window(layer.pool_size)} subsampling{_stride(layer.pool_size)}"
    if hasattr(layer, "pool_size"):
        average = "Average" in type(layer).__name__ or (
            isinstance(layer, CeilPooling2D) and layer.mode != "max"
        )
        kind = "average" if average else "max"
        return f"{_window(layer.pool_size)} {kind} pool{_stride(layer.strides)}"
    return _words_of_others(layer, filters)


def _words_of_others(layer: Any, filters: int | None) -> str:
    if isinstance(layer, keras.layers.Dense):
        return f"dense, {filters}"
    if isinstance(layer, EuclideanRBF):
        return f"{filters} RBF units"
    if isinstance(layer, LocalResponseNormalization):
        return "response norm"
    if isinstance(layer, keras.layers.BatchNormalization):
        return "batch norm"
    if isinstance(layer, keras.layers.Activation):
        name = getattr(layer.activation, "__name__", "activation")
        return _NAMES.get(name, name)
    if isinstance(layer, keras.layers.Dropout):
        return f"dropout {layer.rate:g}"
    if isinstance(layer, ResidualAdd):
        return "add" if layer.scale == 1 else f"add {layer.scale:g} × residual"
    if isinstance(layer, HighwayGate):
        return "H·T + x·(1 − T)"
    if isinstance(layer, (InceptionConcat, keras.layers.Concatenate)):
        return "concatenate"
    if isinstance(layer, keras.layers.Rescaling):
        known = isinstance(layer.scale, (int, float))
        return f"× {layer.scale:g}".replace("-", "−") if known else "rescaling"
    # CamelCase to words: "GlobalAveragePooling2D", "ZeroPadding2D", "ChannelShuffle".
    name = re.sub(r"[123]D$", "", type(layer).__name__)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    return words.replace("pooling", "pool").replace("normalization", "norm")


def shape_text(shape: tuple[int | None, ...]) -> str:
    """A shape without the batch, such as "28×28×256"."""
    return "×".join("?" if side is None else str(side) for side in shape)


def _window(size: Any) -> str:
    return "×".join(map(str, size)) if isinstance(size, (tuple, list)) else f"{size}×{size}"


def _stride(strides: Any) -> str:
    sides = set(strides) if isinstance(strides, (tuple, list)) else {strides}
    if sides in ({1}, {None}):
        return ""
    return f", /{sides.pop()}" if len(sides) == 1 else f", /{_window(strides)}"
