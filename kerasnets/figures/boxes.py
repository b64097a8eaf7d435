"""From a unit of a layer to the box of pixels that it sees, backwards through the graph.

Along each axis the units ``first`` to ``last`` of an output take those of the input from
``first * stride - before`` to ``last * stride - before + (kernel - 1) * dilation``: Araujo, Norris,
Sim 2019, equations 5 and 6. Where a graph branches, the box is that of all branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from kerasnets import layers as ours
from kerasnets.errors import UserError
from kerasnets.explanation.graph import Layer, first, functional, is_graph
from kerasnets.private import run_through

# Each unit of their output takes the same place of all inputs.
POINTWISE = (
    *(keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU),
    *(keras.layers.ELU, keras.layers.Softmax, keras.layers.Dropout, keras.layers.SpatialDropout2D),
    *(keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.Normalization),
    *(keras.layers.GroupNormalization, keras.layers.Rescaling, keras.layers.Dense),
    *(keras.layers.Add, keras.layers.Concatenate, keras.layers.Multiply, keras.layers.Average),
    *(keras.layers.Identity, ours.ClassicDropout, ours.StochasticDepth, ours.RandomizedReLU),
    *(ours.InceptionConcat, ours.ChannelShuffle, ours.HighwayGate, ours.EuclideanRBF),
    *(ours.LocalResponseNormalization, ours.Rematerialize),
)
WHOLE = (
    *(keras.layers.Flatten, keras.layers.Reshape),
    *(keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D),
)
Span = tuple[int, int]
Spans = tuple[Span, Span]


class Box(NamedTuple):
    """Top and left, bottom and right (exclusive), in pixels of the image."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, eq=False)
class Map:
    """What stands for a tensor while a graph is walked through: its shape, (1, H, W, C) or less."""

    shape: tuple[int, ...]

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width; 1 for vectors."""
        return (self.shape[1], self.shape[2]) if len(self.shape) == 4 else (1, 1)


class Step(NamedTuple):
    """A layer at work."""

    layer: Any
    inputs: list[Map]
    output: Map


def walk(model: Any, size: tuple[int, int]) -> list[Step]:
    """The layers in the order of computation for images of a size, models inside included."""
    steps: list[Step] = []

    def call(operation: Any, *inputs: Any, **options: Any) -> Any:
        if is_graph(operation):
            return run_through(functional(operation), inputs, call)
        taken = [x for x in keras.tree.flatten((inputs, options)) if isinstance(x, Map)]
        steps.append(Step(operation, taken, Map(_shape(operation, taken))))
        return steps[-1].output

    run_through(model, [Map((1, *size, model.input_shape[-1]))], call)
    return steps


def _shape(operation: Any, taken: list[Map]) -> tuple[int, ...]:
    """The shape of what a layer gives, also where its graph leaves height and width open."""
    shape = first(operation.output).shape
    if None in shape[1:]:
        shapes = [x.shape for x in taken]
        shape = operation.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    return (1, *shape[1:])


def sides_of(steps: list[Step], layer: Layer) -> tuple[int, int]:
    """Height and width of a layer's map."""
    return next(step.output.sides for step in reversed(steps) if step.layer is layer)


class Field(NamedTuple):
    """What the middle unit of a layer sees, by the windows on the way to it.

    Attributes:
        unit: Its row and column.
        size: Height and width in pixels; the field may reach beyond the image.
        stride: Pixels from a unit's field to the next one's, downwards and to the right.
        box: What of the field lies in the image.
    """

    unit: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    box: Box


def theoretical_field(model: Any, layer: Layer, size: tuple[int, int]) -> Field:
    """The field of the middle unit of a layer, for images of a height and width.

    Raises:
        UserError: When the windows of a layer in front are not known.
    """
    steps = walk(model, size)
    height, width = sides_of(steps, layer)
    unit = (height // 2, width // 2)
    reach = box_of(steps, layer, unit)
    following = box_of(steps, layer, (unit[0] + 1, unit[1] + 1))
    return Field(
        unit,
        (reach.bottom - reach.top, reach.right - reach.left),
        (following.top - reach.top, following.left - reach.left),
        box_of(steps, layer, unit, clip=True),
    )


def box_of(steps: list[Step], layer: Layer, unit: tuple[int, int], *, clip: bool = False) -> Box:
    """The pixels that a unit of a layer sees.

    Args:
        steps: What `walk` gives of the model.
        layer: One of its layers.
        unit: Row and column in the layer's map.
        clip: Whether what lies in the padding of some layer is left out: then the box lies in the
            image; otherwise its size is that of any unit far from the edge.

    Raises:
        UserError: When a layer's windows are not known.
    """
    spans: dict[Map, Spans] = {}
    for step in reversed(steps):
        if step.layer is layer and not spans:
            spans[step.output] = ((unit[0], unit[0]), (unit[1], unit[1]))
        if step.output not in spans:
            continue
        for place, x in enumerate(step.inputs):
            rows, columns = (_taken(step, axis, place, spans, clip) for axis in (0, 1))
            before = spans.get(x, (rows, columns))
            spans[x] = (_join(before[0], rows), _join(before[1], columns))
    (top, bottom), (left, right) = spans[steps[0].inputs[0]]
    return Box(top, left, bottom + 1, right + 1)


def _taken(step: Step, axis: int, place: int, spans: dict[Map, Spans], clip: bool) -> Span:
    side, out = step.inputs[place].sides[axis], step.output.sides[axis]
    low, high = window(step.layer, axis, spans[step.output][axis], side, out, place)
    return (max(low, 0), min(high, side - 1)) if clip else (low, high)


def _join(one: Span, other: Span) -> Span:
    return min(one[0], other[0]), max(one[1], other[1])


def window(layer: Any, axis: int, span: Span, side: int, out: int, place: int = 0) -> Span:
    """The first and last unit of a layer's input that some units of its output take, on an axis.

    Args:
        layer: The layer.
        axis: 0 for height, 1 for width.
        span: The first and last unit of the output.
        side: Length of the input's axis.
        out: Length of the output's axis.
        place: Which of the layer's inputs.
    """
    low, high = span
    if isinstance(layer, WHOLE):
        return 0, side - 1
    if isinstance(layer, ours.ResidualAdd):
        stride = layer.shortcut_strides if place == 0 else 1
        averaged = layer.subsample == "average" and stride > 1
        return low * stride, high * stride + (stride - 1 if averaged else 0)
    if isinstance(layer, ours.AdaptiveAveragePooling2D):
        return low * side // out, -(-(high + 1) * side // out) - 1
    if isinstance(layer, keras.layers.ZeroPadding2D):
        before = layer.padding[axis][0]
        return low - before, high - before
    if isinstance(layer, keras.layers.Cropping2D):
        before = layer.cropping[axis][0]
        return low + before, high + before
    if isinstance(layer, ours.PadMinimum):
        return low - layer.padding, high - layer.padding
    kernel, stride, dilation = _kernel(layer, axis)
    if not kernel:
        pointwise = isinstance(layer, POINTWISE) or not isinstance(layer, keras.layers.Layer)
        if not pointwise or side != out:
            raise UserError(
                f"What {layer.name} sees is not known: expected convolutions, pooling, padding and "
                f"what computes each pixel by itself. Received: {type(layer).__name__}."
            )
        return low, high
    reach = (kernel - 1) * dilation
    same = getattr(layer, "padding", "valid") == "same"
    before = max((out - 1) * stride + reach + 1 - side, 0) // 2 if same else 0
    return low * stride - before, high * stride - before + reach


def _kernel(layer: Any, axis: int) -> tuple[int, int, int]:
    """Kernel, stride and dilation along an axis; a kernel of 0 where there is none."""

    def on_axis(value: Any) -> int:
        return value if isinstance(value, int) else value[axis]

    if isinstance(layer, (keras.layers.Conv2DTranspose, keras.layers.UpSampling2D)):
        return 0, 1, 1
    if hasattr(layer, "kernel_size"):
        strides = on_axis(getattr(layer, "strides", 1))
        return on_axis(layer.kernel_size), strides, on_axis(getattr(layer, "dilation_rate", 1))
    if hasattr(layer, "pool_size"):
        return on_axis(layer.pool_size), on_axis(getattr(layer, "strides", layer.pool_size)), 1
    return 0, 1, 1
