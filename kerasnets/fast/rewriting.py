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
    """The last layer with weights on the way to the predictions."""
    layer = maker_of(predictions_of(network))
    while not layer.weights:
        layer = maker_of(keras.tree.flatten(layer.input)[0])
    return layer


def predictions_of(network: keras.Model) -> keras.KerasTensor:
    """The network's answer, (N, classes), without those of its auxiliary classifiers."""
    output: Any = network.output
    return output["predictions"] if isinstance(output, dict) else output


def with_logits(network: keras.Model, activation: str = "softmax") -> keras.Model:
    """The network with its logits as its one output; it shares the weights.

    Args:
        network: A classifier whose answers are logits, or what `activation` makes of them.
        activation: ``"softmax"``, ``"sigmoid"``, or ``"linear"`` for numbers, which stay.

    Raises:
        UserError: When the last layer is a model that ends in the activation.
    """
    logits = _before(predictions_of(network), activation)
    return network if logits is network.output else rebuilt_like(network, network.input, logits)


def _before(output: Any, activation: str) -> Any:
    """What an activation that ends a network, if it is this one, was given."""
    layer: Any = maker_of(output)
    if activation == "linear":
        return output
    if isinstance(layer, keras.Model):
        if with_logits(layer, activation) is not layer:
            raise UserError(
                f"{layer.name}, inside another model, ends in {activation}; logits are needed. "
                "Build it with classifier_activation=None."
            )
        return output
    own = getattr(layer, "activation", None) is keras.activations.get(activation)
    if not own and not (activation == "softmax" and isinstance(layer, keras.layers.Softmax)):
        return output
    if layer.weights:
        return copied(layer, {"activation": None})(layer.input)
    return _before(layer.input, activation)


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
