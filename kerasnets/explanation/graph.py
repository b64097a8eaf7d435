"""The layers of a network: their order, their names, and what they give while it computes.

Models inside a model count as their layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasnets.errors import UserError, unknown
from kerasnets.private import run_through
from kerasnets.registry import network_of, registration

Layer = keras.layers.Layer


def is_graph(operation: Any) -> bool:
    """Whether it is a model whose layers are known."""
    return isinstance(operation, keras.Sequential) or hasattr(operation, "operations")


def functional(model: Any) -> Any:
    """The model, or its layers as a functional model.

    Raises:
        UserError: When it is another kind of model.
    """
    if hasattr(model, "operations"):
        return model
    try:
        return keras.Model(model.inputs, model.outputs, name=model.name)
    except (AttributeError, ValueError, TypeError) as error:
        raise UserError(
            f"{model.name} can not be looked into: expected a functional model, or a sequential "
            f"one that is built. Received: {type(model).__name__}."
        ) from error


def first(tensors: Any) -> keras.KerasTensor:
    """The first tensor of a structure."""
    return keras.tree.flatten(tensors)[0]


def answer_of(model: Any) -> Any:
    """What a model returns, without its auxiliary classifiers."""
    output: Any = model.output
    return output.get("predictions", output) if isinstance(output, dict) else output


def layers_of(model: Any) -> Iterator[Layer]:
    """The layers on the way to the answer, in the order of computation."""
    for operation in keras.Model(model.inputs, answer_of(model)).operations:
        if is_graph(operation):
            yield from layers_of(functional(operation))
        elif not isinstance(operation, keras.layers.InputLayer):
            yield operation


def is_map(layer: Layer) -> bool:
    """Whether a layer's output is (N, H, W, C)."""
    return len(first(layer.output).shape) == 4


def named(model: Any, name: str, *, maps: bool = False) -> Layer:
    """The layer of a name, or of a stage's name such as ``stage1``.

    Args:
        model: A functional model.
        name: The layer's name; of several the last.
        maps: Whether its output must be (N, H, W, C).

    Raises:
        UserError: When there is none, or its output is no map.
    """
    layers = list(layers_of(model))
    stages = stages_of(model)
    found = [layer for layer in layers if layer.name == name] or [
        layer for layer in layers if layer.name == stages.get(name)
    ]
    if not found:
        known = [layer.name for layer in layers if is_map(layer) or not maps]
        raise unknown(f"layer of {model.name}", name, [*known, *stages])
    if maps and not is_map(found[-1]):
        shape = tuple(first(found[-1].output).shape[1:])
        raise UserError(
            f"The layer {name!r} of {model.name} has no maps: expected an output of "
            f"(height, width, channels). Received: {shape}."
        )
    return found[-1]


def stages_of(model: Any) -> dict[str, str]:
    """The layers that a registered network's stages end with, by the stage's name.

    Only those that the model has: options leave some out, and others' models may have its name.
    """
    inside = [each for each in model.operations if is_graph(each)]
    for each in (model, *inside):
        if name := network_of(each):
            built = {operation.name for operation in each.operations}
            stages = registration(name).stages
            return {stage: end for stage, end in stages.items() if end in built}
    return {}


def run_watching(
    model: Any, images: Any, watch: Callable[[Layer, tuple[Any, ...], Any], None]
) -> Any:
    """Runs a functional model in inference; ``watch(layer, inputs, output)`` sees each layer."""

    def call(operation: Any, *inputs: Any, **options: Any) -> Any:
        if is_graph(operation):
            return run_through(functional(operation), inputs, call)
        output = operation(*inputs, **options)
        watch(operation, inputs, output)
        return output

    return run_through(model, [images], call)
