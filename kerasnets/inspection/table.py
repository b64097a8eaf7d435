"""The table of a network's layers that a person can hold against the paper's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras

from kerasnets.inspection.memory import bytes_of
from kerasnets.layers import EuclideanRBF, SparseConnectionConv2D, TrainableSubsampling

_CONVOLUTIONS = (
    *(keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D),
    *(keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D, SparseConnectionConv2D),
)
_TRANSPOSED = (
    *(keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose),
)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
# Behind these a unit sees the whole image.
_WHOLE_MAP = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Flatten,
    keras.layers.Dense,
    EuclideanRBF,
)


@dataclass(frozen=True)
class LayerRow:
    """One layer of a network, for one image.

    Attributes:
        name: The layer's name.
        kind: The name of its class.
        kernel: (height, width) of its kernel, where it has one.
        strides: Its stride, where it has any.
        output_shape: The shape of its output without the batch.
        trainable, non_trainable: The number of its parameters.
        biases: The number of its trainable parameters that are added: biases, and the beta of batch
            norms.
        activation_bytes: Memory of its output.
        multiply_adds: The number of its multiply-adds; 0 for all but convolutions and dense layers.
        receptive_field: Pixels of the input, along one side, that an output pixel sees; ``None``
            once it sees the whole image.
    """

    name: str
    kind: str
    kernel: tuple[int, int] | None
    strides: int | None
    output_shape: tuple[int | None, ...]
    trainable: int
    non_trainable: int
    biases: int
    activation_bytes: int
    multiply_adds: int
    receptive_field: int | None


def layer_table(model: keras.Model) -> list[LayerRow]:
    """A row for each layer of a functional model, in the order they are computed."""
    fields = _receptive_fields(model)
    return [
        LayerRow(
            name=layer.name,
            kind=type(layer).__name__,
            kernel=_kernel(layer),
            strides=_strides(layer),
            output_shape=tuple(layer.output.shape[1:]),
            trainable=_size(layer.trainable_weights),
            non_trainable=_size(layer.non_trainable_weights),
            biases=_size([each for each in layer.trainable_weights if _is_bias(each)]),
            activation_bytes=sum(bytes_of(x.shape, x.dtype) for x in _tensors(layer.output)),
            multiply_adds=layer_multiply_adds(layer),
            receptive_field=fields[layer.name],
        )
        for layer in model.layers
    ]


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of a model's convolutions and dense layers, for one image."""
    return sum(layer_multiply_adds(layer) for layer in model.layers)


def layer_multiply_adds(layer: keras.layers.Layer) -> int:
    """Multiply-adds of a layer for one image; 0 for all but convolutions, dense layers and models.

    Where the height or width is open it is 0 too.
    """
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    if isinstance(layer, _CONVOLUTIONS):
        return _size([layer.kernel]) * _positions(layer, layer.output)
    if isinstance(layer, _TRANSPOSED):
        return _size([layer.kernel]) * _positions(layer, layer.input)
    if isinstance(layer, _SEPARABLE):
        kernels = [layer.depthwise_kernel, layer.pointwise_kernel]
        return _size(kernels) * _positions(layer, layer.output)
    if isinstance(layer, keras.layers.Dense):
        return _size([layer.kernel]) * _positions(layer, layer.output)
    return 0


def _positions(layer: Any, tensor: Any) -> int:
    """At how many places of a map a kernel is applied; 0 where that is open."""
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    sides = tensor.shape[2:] if first else tensor.shape[1:-1]
    return 0 if None in sides else math.prod(sides)


def _size(variables: list) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _is_bias(variable: keras.Variable) -> bool:
    return variable.name in ("bias", "beta")


def _kernel(layer: keras.layers.Layer) -> tuple[int, int] | None:
    for attribute in ("kernel_size", "pool_size"):
        size = getattr(layer, attribute, None)
        if size is not None:
            return (size, size) if isinstance(size, int) else tuple(size)
    return None


def _strides(layer: keras.layers.Layer) -> int | None:
    if isinstance(layer, TrainableSubsampling):
        return layer.pool_size
    if isinstance(layer, SparseConnectionConv2D):
        return 1
    strides = getattr(layer, "strides", None)
    return strides[0] if isinstance(strides, tuple) else strides


def _receptive_fields(model: keras.Model) -> dict[str, int | None]:
    """The receptive field of each layer (Araujo, Norris, Sim 2019, Distill).

    A layer's field grows by ``(kernel - 1) * dilation * jump`` on each axis, where jump is the
    product of the strides before it; where branches meet, the largest counts. Given is that of the
    longer axis.
    """
    fields: dict[int, tuple[tuple[int, int] | None, int]] = {}
    names = {}
    for layer in model.layers:
        inputs = [] if isinstance(layer, keras.layers.InputLayer) else _tensors(layer.input)
        incoming = [fields[id(tensor)] for tensor in inputs] or [((1, 1), 1)]
        known = [size for size, _ in incoming if size is not None]
        jump = max(jump for _, jump in incoming)
        if len(known) < len(incoming) or isinstance(layer, _WHOLE_MAP):
            field = None
        else:
            height, width = (max(sides) for sides in zip(*known, strict=True))
            down, across = _reach(layer)
            field = height + down * jump, width + across * jump
            jump *= _strides(layer) or 1
        for tensor in _tensors(layer.output):
            fields[id(tensor)] = (field, jump)
        names[layer.name] = max(field) if field else None
    return names


def _reach(layer: keras.layers.Layer) -> tuple[int, int]:
    """How many units of its input lie between the ends of a layer's window, on each axis."""
    height, width = _kernel(layer) or (1, 1)
    dilation = getattr(layer, "dilation_rate", 1)
    down, across = (dilation, dilation) if isinstance(dilation, int) else dilation
    return (height - 1) * down, (width - 1) * across


def _tensors(structure: object) -> list:
    return keras.tree.flatten(structure)
