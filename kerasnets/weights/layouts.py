"""How PyTorch projects lay out the weights of a layer, and how Keras does.

A network's registration names each layer as the other project does; the rest follows from the
layer's type. Every rule is an exact permutation, so weights travel in both directions unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np


@dataclass(frozen=True)
class Tensor:
    """One tensor of a PyTorch file and the variable it belongs to.

    Attributes:
        name: In the file.
        shape: In the file.
        variable: Of the Keras layer.
        to_keras, to_torch: The permutation, either way.
    """

    name: str
    shape: tuple[int, ...]
    variable: keras.Variable
    to_keras: Callable[[np.ndarray], np.ndarray]
    to_torch: Callable[[np.ndarray], np.ndarray]


def torch_tensors(model: keras.Model, rename: Callable[[str], str]) -> Iterator[Tensor]:
    """Each tensor that a PyTorch file of this network must hold.

    Args:
        model: One of our networks.
        rename: From a layer's name to the PyTorch module's, as in ``Registration.layout``.
    """
    for layer in model.layers:
        prefix = rename(layer.name) if layer.weights else ""
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            yield _depthwise(prefix, layer.kernel)
        elif isinstance(layer, keras.layers.Conv2D):
            yield _permuted(f"{prefix}.weight", layer.kernel, (3, 2, 0, 1))
        elif isinstance(layer, keras.layers.Dense):
            yield _dense(prefix, layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield _same(f"{prefix}.weight", layer.gamma)
            yield _same(f"{prefix}.bias", layer.beta)
            yield _same(f"{prefix}.running_mean", layer.moving_mean)
            yield _same(f"{prefix}.running_var", layer.moving_variance)
        elif layer.weights:
            raise TypeError(f"No layout is known for {layer.name}, a {type(layer).__name__}.")
        if getattr(layer, "use_bias", False):
            yield _same(f"{prefix}.bias", layer.bias)


def _same(name: str, variable: keras.Variable) -> Tensor:
    return Tensor(name, tuple(variable.shape), variable, _identity, _identity)


def _identity(array: np.ndarray) -> np.ndarray:
    return array


def _permuted(name: str, variable: keras.Variable, axes: tuple[int, ...]) -> Tensor:
    """`axes` are those of the Keras array, in the file's order."""
    shape = tuple(variable.shape[axis] for axis in axes)
    back = tuple(int(axis) for axis in np.argsort(axes))
    return Tensor(
        name,
        shape,
        variable,
        lambda array: array.transpose(back),
        lambda array: array.transpose(axes),
    )


def _depthwise(prefix: str, kernel: keras.Variable) -> Tensor:
    """(H, W, C, M) is (C * M, 1, H, W) in PyTorch, with c * M + m in order."""
    height, width, channels, multiplier = kernel.shape
    return Tensor(
        f"{prefix}.weight",
        (channels * multiplier, 1, height, width),
        kernel,
        lambda array: array.reshape(channels, multiplier, height, width).transpose(2, 3, 0, 1),
        lambda array: array.transpose(2, 3, 0, 1).reshape(-1, 1, height, width),
    )


def _dense(prefix: str, layer: keras.layers.Dense) -> Tensor:
    """Transposed; after a flattened feature map also from (C, H, W) to (H, W, C)."""
    name, units = f"{prefix}.weight", layer.units
    features = _flattened_shape(layer)
    if features is None:
        return _permuted(name, layer.kernel, (1, 0))
    height, width, channels = features
    return Tensor(
        name,
        (units, math.prod(features)),
        layer.kernel,
        lambda array: (
            array.reshape(units, channels, height, width)
            .transpose(2, 3, 1, 0)
            .reshape(math.prod(features), units)
        ),
        lambda array: (
            array.reshape(height, width, channels, units)
            .transpose(3, 2, 0, 1)
            .reshape(units, math.prod(features))
        ),
    )


def _flattened_shape(layer: keras.layers.Layer) -> tuple[int, int, int] | None:
    """The (H, W, C) that the layer sees flattened, or ``None``. Looks through dropout."""
    tensor = layer.input
    while True:
        source = tensor._keras_history.operation
        if isinstance(source, keras.layers.Flatten):
            shape = tuple(source.input.shape[1:])
            return shape if len(shape) == 3 else None
        if not isinstance(source, keras.layers.Dropout):
            return None
        tensor = source.input
