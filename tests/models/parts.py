"""What the tests of several networks measure on a built network."""

from __future__ import annotations

import math

import keras

from kerasnets.inspection import LayerRow, layer_table


def all_params(model: keras.Model) -> tuple[int, int]:
    """Trainable parameters, and those that are not."""
    kinds = (model.trainable_weights, model.non_trainable_weights)
    return tuple(sum(math.prod(variable.shape) for variable in kind) for kind in kinds)


def rows_of(model: keras.Model, part: str) -> list[LayerRow]:
    """The rows of a layer, or of all layers whose names begin with that of a block."""
    return [row for row in layer_table(model) if f"{row.name}_".startswith(f"{part}_")]


def trainable(model: keras.Model, part: str) -> int:
    """The trainable parameters of a layer or block."""
    return sum(row.trainable for row in rows_of(model, part))


def multiply_adds(model: keras.Model, part: str) -> int:
    """The multiply-adds of a layer or block."""
    return sum(row.multiply_adds for row in rows_of(model, part))


def kernel_weights(model: keras.Model, part: str) -> int:
    """The weights of a layer's or block's convolutions, without biases."""
    names = {row.name for row in rows_of(model, part)}
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(math.prod(layer.kernel.shape) for layer in convs if layer.name in names)


def shape_of(model: keras.Model, layer: str) -> tuple[int, int, int]:
    """(height, width, channels) of a layer's output."""
    return tuple(model.get_layer(layer).output.shape[1:])
