"""Networks rewritten layer by layer; what a layer reads, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.layers.rematerialize import Rematerialize
from kerasnets.layers.stochastic_depth import StochasticDepth
from kerasnets.models.network import rebuilt_like
from kerasnets.private import maker_of

Layer = keras.layers.Layer


def rebuilt(network: keras.Model, replacement: Callable[[Layer], Callable | None]) -> keras.Model:
    """A model of the same input with another layer in the place of each; ``None`` leaves it out.

    What a layer that is left out returned is then its first input.
    """
    tensors = {id(x): x for x in keras.tree.flatten(network.input)}
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        x = keras.tree.map_structure(lambda x: tensors[id(x)], layer.input)
        new = replacement(layer)
        tensors[id(layer.output)] = keras.tree.flatten(x)[0] if new is None else new(x)
    outputs = keras.tree.map_structure(lambda x: tensors[id(x)], network.output)
    return rebuilt_like(network, network.input, outputs)


def copied(
    layer: Layer,
    changes: dict[str, object] | None = None,
    weights: list[np.ndarray] | None = None,
    shape: tuple[int | None, ...] | None = None,
) -> Layer:
    """A layer of its own with a changed configuration, and with the same weights or others.

    Args:
        layer: The layer to copy.
        changes: What is different in its configuration.
        weights: The copy's weights, those of `layer` by default.
        shape: Shape of the copy's input, where that is another one.
    """
    copy = type(layer).from_config({**layer.get_config(), **(changes or {})})
    copy.build(shape or keras.tree.map_structure(lambda x: x.shape, layer.input))
    copy.set_weights(layer.get_weights() if weights is None else weights)
    return copy


def input_shape(layer: Layer) -> tuple[Any, ...]:
    """Shape of a layer's first input."""
    return keras.tree.flatten(layer.input)[0].shape


def output_shape(layer: Layer) -> tuple[Any, ...]:
    """Shape of a layer's first output."""
    return keras.tree.flatten(layer.output)[0].shape


class SameLayer(keras.layers.Wrapper):
    """A layer of one network as a layer of another: same name, same variables, same results.

    So each layer has one place in one graph. Subclasses compute the same in another way.
    """

    def __init__(self, layer: Layer, *, autocast: bool = False) -> None:
        super().__init__(layer, name=layer.name, dtype=layer.dtype_policy, autocast=autocast)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return self.layer(inputs)

    def compute_output_spec(
        self, inputs: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        return self.layer.compute_output_spec(inputs)


def classifying_layer(network: keras.Model) -> Layer:
    """The last layer with weights on the way to the logits."""
    layer = maker_of(logits_of(network))
    while not layer.weights:
        layer = maker_of(keras.tree.flatten(layer.input)[0])
    return layer


def logits_of(network: keras.Model) -> keras.KerasTensor:
    """What the network makes its answer of, (N, classes): before softmax or a sigmoid.

    Those of its auxiliary classifiers are left out.

    Raises:
        UserError: When softmax or a sigmoid is inside the last layer.
    """
    output: Any = network.output
    output = output["predictions"] if isinstance(output, dict) else output
    layer: Any = maker_of(output)
    while isinstance(layer, keras.layers.Softmax) or _gives_probabilities(layer):
        if layer.weights:
            raise UserError(
                f"{network.name} gives no logits: {layer.activation.__name__} is inside its last "
                f"layer, {layer.name}. Give it a layer of its own."
            )
        output = layer.input
        layer = maker_of(output)
    return output


def _gives_probabilities(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    return activation in (keras.activations.softmax, keras.activations.sigmoid)


def with_logits(network: keras.Model) -> keras.Model:
    """The network with its logits as its one output; it shares the weights."""
    logits = logits_of(network)
    return network if logits is network.output else rebuilt_like(network, network.input, logits)


def does_nothing(layer: Layer) -> bool:
    """Whether a layer returns its first input in inference."""
    if isinstance(layer, StochasticDepth):
        return layer.rescale == "training"
    return isinstance(layer, (keras.layers.Dropout, Rematerialize))


def readers_of(network: keras.Model) -> dict[Layer, list[Layer | None]]:
    """The layers that read each layer's output in inference; ``None`` for the network's output."""
    readers: dict[Layer, list[Layer | None]] = {}
    for layer in network.layers:
        if not isinstance(layer, keras.layers.InputLayer) and not does_nothing(layer):
            for x in keras.tree.flatten(layer.input):
                readers.setdefault(inference_maker_of(x), []).append(layer)
    for x in keras.tree.flatten(network.output):
        readers.setdefault(inference_maker_of(x), []).append(None)
    return readers


def inference_maker_of(x: keras.KerasTensor) -> Layer:
    """The layer that makes a tensor in inference."""
    layer = maker_of(x)
    while does_nothing(layer):
        layer = maker_of(keras.tree.flatten(layer.input)[0])
    return layer


def is_pointwise(layer: Layer | None) -> TypeGuard[keras.layers.Conv2D]:
    """Whether a layer is a 1x1 convolution, at any one stride."""
    # A subclass may compute something else.
    if type(layer) is not keras.layers.Conv2D:
        return False
    return layer.kernel_size == (1, 1) and layer.groups == 1 and len(set(layer.strides)) == 1
