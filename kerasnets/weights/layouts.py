"""How other projects, and files of Keras, lay out the weights of our layers.

A network's registration names each layer as the other project does; the rest follows from the
layer's type. Every rule is a view of our array in the file's order, so one rule serves both
directions and weights travel unchanged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasnets.private import maker_of
from kerasnets.registry import Layout
from kerasnets.weights.recognition import FORMS


def _same(array: np.ndarray) -> np.ndarray:
    return array


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file and the variable it belongs to.

    Attributes:
        name: In the file.
        shape: In the file.
        variable: Of one of our layers.
        layer: That layer.
        in_file_order: Returns a view of the variable's array; flattened, it is the file's tensor.
        shift: The file's epsilon less ours, at a batch norm's variance: added to what the file
            has, it gives the same outputs. Zero where the network was built with the file's.
        channels_axis: Where the image's channels are in the file, if their number is to change.
        lost_bias: Whether this is the bias of a convolution that has none here. The batch norm
            behind it takes it off the mean, which is exactly the same function.
    """

    name: str
    shape: tuple[int, ...]
    variable: keras.Variable
    layer: keras.layers.Layer
    in_file_order: Callable[[np.ndarray], np.ndarray] = _same
    shift: float = 0.0
    channels_axis: int | None = None
    lost_bias: bool = False

    def to_file(self, array: np.ndarray) -> np.ndarray:
        """The variable's array as the file holds it."""
        array = np.ascontiguousarray(self.in_file_order(array)).reshape(self.shape)
        return array - array.dtype.type(self.shift)

    def from_file(self, array: np.ndarray, out: np.ndarray) -> None:
        """Writes the file's array into `out`, an array of the variable's shape."""
        view = self.in_file_order(out)
        view[...] = array.reshape(view.shape)


def own_names(model: keras.Model) -> dict[str, tuple[keras.layers.Layer, keras.Variable]]:
    """The variables that make up a network's weights, by ``LAYER/VARIABLE``: our own layout.

    Random-number states (of dropout, say) are no weights and are left out.
    """
    return {
        f"{layer.name}/{variable.path.rpartition('/')[2]}": (layer, variable)
        for layer in model.layers
        for variable in layer.weights
    }


def own_tensors(
    model: keras.Model, found: Mapping[str, tuple[int, ...]], epsilon: float | None = None
) -> Iterator[Tensor]:
    """Each tensor of a file that `save_weights` wrote.

    Args:
        model: One of our networks.
        found: The shapes in the file. A dense layer may be a convolution there, or the reverse.
        epsilon: The epsilon of the batch norms that the file is for; the model's if not given.
    """
    for name, (layer, variable) in own_names(model).items():
        other = f"{FORMS.get(layer.name)}/{name.rpartition('/')[2]}"
        name = other if other in found and name not in found else name
        shape = tuple(variable.shape)
        shift = _shift(layer, name.rpartition("/")[2].removeprefix("moving_"), epsilon)
        in_file = _in_other_form(shape, found.get(name, shape))
        yield Tensor(name, in_file, variable, layer, shift=shift)


def _shift(layer: keras.layers.Layer, role: str, epsilon: float | None) -> float:
    """What a file's variance lacks under the layer's epsilon, if the file's is another."""
    is_variance = isinstance(layer, keras.layers.BatchNormalization) and role == "variance"
    return epsilon - layer.epsilon if is_variance and epsilon is not None else 0.0


def _in_other_form(shape: tuple[int, ...], found: tuple[int, ...]) -> tuple[int, ...]:
    """The file's shape of a kernel, where it has the same numbers in the same order."""
    dense, convolution = sorted((shape, found), key=len)
    same = len(dense) == 2 and len(convolution) == 4
    same = same and dense == (math.prod(convolution[:3]), convolution[3])
    return found if same else shape


def layout_tensors(
    model: keras.Model,
    layout: Layout,
    found: Collection[str] = (),
    epsilon: float | None = None,
) -> Iterator[Tensor]:
    """Each tensor that a project's file of this network must hold.

    Args:
        model: One of our networks.
        layout: The project's.
        found: The names in the file; a batch norm without gamma is told by them.
        epsilon: The epsilon of the batch norms that the file is for; the model's if not given.
    """
    lost = _convolutions_without_bias(model) if layout.convolution_bias else {}
    variables = _torch_variables if layout.framework == "torch" else _keras_variables
    counts = Counter(name.rpartition("/")[0] for name in found)
    for layer in model.layers:
        if not layer.weights:
            continue
        names = layout.names(layer.name)
        prefix, kind = (names, None) if isinstance(names, str) else names
        norm = lost.get(layer.name)
        for name, variable, role in variables(layer, prefix, counts):
            view, shape = _view(layer, variable, role, kind, layout.framework)
            yield Tensor(name, shape, variable, layer, view, _shift(layer, role, epsilon))
        if norm is not None:
            name = f"{prefix}.bias" if layout.framework == "torch" else f"{prefix}/1"
            mean: Any = norm.moving_mean
            yield Tensor(name, tuple(mean.shape), mean, layer, lost_bias=True)


def _convolutions_without_bias(
    model: keras.Model,
) -> dict[str, keras.layers.BatchNormalization]:
    """The batch norm behind each convolution that has no bias because of it."""
    norms = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            before = maker_of(layer.input)
            if isinstance(before, keras.layers.Conv2D) and not before.use_bias:
                norms[before.name] = layer
    return norms


def _torch_variables(
    layer: keras.layers.Layer, prefix: str, _: Counter
) -> Iterator[tuple[str, keras.Variable, str]]:
    """A module's tensors: name, our variable, role."""
    if isinstance(layer, keras.layers.BatchNormalization):
        if layer.scale:
            yield f"{prefix}.weight", layer.gamma, "gamma"
        yield f"{prefix}.bias", layer.beta, "beta"
        yield f"{prefix}.running_mean", layer.moving_mean, "mean"
        yield f"{prefix}.running_var", layer.moving_variance, "variance"
        return
    kernels = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    if not isinstance(layer, kernels):
        raise TypeError(f"No layout is known for {layer.name}, a {type(layer).__name__}.")
    yield f"{prefix}.weight", layer.kernel, "kernel"
    if layer.use_bias:
        yield f"{prefix}.bias", layer.bias, "bias"


def _keras_variables(
    layer: keras.layers.Layer, prefix: str, counts: Counter
) -> Iterator[tuple[str, keras.Variable, str]]:
    """A layer's arrays by position: name, our variable, role."""
    weights = list(layer.weights)
    roles = [variable.path.rpartition("/")[2].removeprefix("moving_") for variable in weights]
    if (
        isinstance(layer, keras.layers.BatchNormalization)
        and layer.scale
        and counts[prefix] == len(weights) - 1
    ):
        # Inception of keras.applications normalises without gamma, which is 1 then.
        weights, roles = weights[1:], roles[1:]
    for index, (variable, role) in enumerate(zip(weights, roles, strict=True)):
        yield f"{prefix}/{index}", variable, role


View = Callable[[np.ndarray], np.ndarray]


def _view(
    layer: keras.layers.Layer,
    variable: keras.Variable,
    role: str,
    kind: str | None,
    framework: str,
) -> tuple[View, tuple[int, ...]]:
    """How our array is seen in the file's order, and the tensor's shape there."""
    shape = tuple(variable.shape)
    if role != "kernel":
        return _same, shape
    if framework == "keras":
        return _same, _keras_shape(layer, shape, kind)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # (H, W, C, M) is (C * M, 1, H, W) in PyTorch, with c * M + m in order.
        height, width, channels, multiplier = shape
        return _permuted((2, 3, 0, 1)), (channels * multiplier, 1, height, width)
    if isinstance(layer, keras.layers.Conv2D):
        height, width, channels, filters = shape
        flat = (filters, channels * height * width)
        unfolded = (filters, channels, height, width)
        return _permuted((3, 2, 0, 1)), flat if kind == "dense" else unfolded
    units = layer.units
    height, width, channels = flattened_shape(layer) or (1, 1, shape[0])
    unfolded = (height, width, channels, units)
    in_file = (units, channels, height, width)
    flat = (units, math.prod(in_file[1:]))
    return (
        lambda array: array.reshape(unfolded).transpose(3, 2, 0, 1),
        in_file if kind == "conv" else flat,
    )


def _permuted(axes: tuple[int, ...]) -> View:
    return lambda array: array.transpose(axes)


def _keras_shape(
    layer: keras.layers.Layer, shape: tuple[int, ...], kind: str | None
) -> tuple[int, ...]:
    """The same numbers in the same order, in a dense layer or in a convolution."""
    if isinstance(layer, keras.layers.Dense) and kind == "conv":
        return (*(flattened_shape(layer) or (1, 1, shape[0])), shape[1])
    if isinstance(layer, keras.layers.Conv2D) and kind == "dense":
        return (math.prod(shape[:3]), shape[3])
    return shape


def flattened_shape(layer: keras.layers.Layer) -> tuple[int, int, int] | None:
    """The (H, W, C) that the layer sees flattened, or ``None``. Looks through dropout."""
    tensor: Any = layer.input
    while True:
        source = maker_of(tensor)
        if isinstance(source, keras.layers.Flatten):
            flattened: Any = source.input
            shape = tuple(flattened.shape[1:])
            return shape if len(shape) == 3 else None
        if not isinstance(source, keras.layers.Dropout):
            return None
        tensor = source.input
