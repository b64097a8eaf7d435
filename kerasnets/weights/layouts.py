"""How PyTorch projects lay out the weights of a layer, and how Keras does.

A network's registration names each layer as the other project does; the rest follows from the
layer's type. Every rule is an exact permutation, so weights travel in both directions unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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


# A module's name; with "dense" or "conv" where it is that and our layer is the other.
Rename = Callable[[str], str | tuple[str, str]]


def torch_tensors(model: keras.Model, rename: Rename) -> Iterator[Tensor]:
    """Each tensor that a PyTorch file of this network must hold.

    Args:
        model: One of our networks.
        rename: From a layer's name to the PyTorch module's, as in ``Registration.layout``.
    """
    for layer in model.layers:
        module = rename(layer.name) if layer.weights else ""
        prefix, kind = (module, None) if isinstance(module, str) else module
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            yield _depthwise(prefix, layer.kernel)
        elif isinstance(layer, keras.layers.Conv2D):
            weight = _permuted(f"{prefix}.weight", layer.kernel, (3, 2, 0, 1))
            yield _dense_from_conv(weight) if kind == "dense" else weight
        elif isinstance(layer, keras.layers.Dense):
            weight = _dense(prefix, layer)
            yield _conv_from_dense(weight, layer) if kind == "conv" else weight
        elif isinstance(layer, keras.layers.BatchNormalization):
            if layer.scale:
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


def _dense_from_conv(weight: Tensor) -> Tensor:
    """A convolution's (out, C, H, W) as the dense (out, C * H * W) that it computes."""
    return _reshaped(weight, (weight.shape[0], math.prod(weight.shape[1:])))


def _conv_from_dense(weight: Tensor, layer: keras.layers.Dense) -> Tensor:
    """A dense (out, C * H * W) as a convolution (out, C, H, W) over all of the layer's input."""
    height, width, channels = _flattened_shape(layer) or (1, 1, weight.shape[1])
    return _reshaped(weight, (weight.shape[0], channels, height, width))


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same numbers in the same order, of another shape in the file."""
    return replace(
        tensor,
        shape=shape,
        to_keras=lambda array: tensor.to_keras(array.reshape(tensor.shape)),
        to_torch=lambda array: tensor.to_torch(array).reshape(shape),
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
