"""Networks rewritten layer by layer; what a layer reads, and what reads it."""

from __future__ import annotations

from collections.abc import Callable

import keras

from kerasnets.fast.kernels import BiasedConv2D
from kerasnets.layers import Rematerialize, StochasticDepth
from kerasnets.models.network import rebuilt_like

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
    changes: dict | None = None,
    weights: list | None = None,
    shape: tuple[int | None, ...] | None = None,
) -> Layer:
    """A layer of its own with a changed configuration, and with the same weights or others.

    Args:
        layer: What is copied.
        changes: To its configuration.
        weights: Its own by default.
        shape: Of its input, if that is another one.
    """
    kind, config = type(layer), {**layer.get_config(), **(changes or {})}
    if kind is keras.layers.Conv2D and config["use_bias"]:
        kind = BiasedConv2D
    copy = kind.from_config(config)
    copy.build(shape or keras.tree.map_structure(lambda x: x.shape, layer.input))
    copy.set_weights(layer.get_weights() if weights is None else weights)
    return copy


def classifying_layer(network: keras.Model) -> Layer:
    """The last layer with weights on the way to the logits."""
    layer = logits_of(network)._keras_history.operation
    while not layer.weights:
        layer = layer.input._keras_history.operation
    return layer


def logits_of(network: keras.Model) -> keras.KerasTensor:
    """The network's answer, (N, classes), without those of its side classifiers."""
    output = network.output
    return output["predictions"] if isinstance(output, dict) else output


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
                readers.setdefault(maker_of(x), []).append(layer)
    for x in keras.tree.flatten(network.output):
        readers.setdefault(maker_of(x), []).append(None)
    return readers


def maker_of(x: keras.KerasTensor) -> Layer:
    """The layer that makes a tensor in inference."""
    layer = x._keras_history.operation
    while does_nothing(layer):
        layer = keras.tree.flatten(layer.input)[0]._keras_history.operation
    return layer


def is_pointwise(layer: Layer | None) -> bool:
    """Whether a layer is a 1x1 convolution, at any one stride."""
    if not isinstance(layer, keras.layers.Conv2D):
        return False
    return layer.kernel_size == (1, 1) and layer.groups == 1 and len(set(layer.strides)) == 1
