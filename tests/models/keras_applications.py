"""Random weights of a network of keras.applications, and ours with the same."""

from __future__ import annotations

import math
import re

import keras
import numpy as np

from kerasnets.registry import Layout


def randomize(model: keras.Model) -> None:
    """Draws all weights, biases and batch-norm statistics, so that none of them is neutral."""
    draw = np.random.default_rng(0)
    for variable in model.weights:
        shape, kind = variable.shape, variable.path.rpartition("/")[2]
        if kind == "kernel":
            gain = 2 if len(shape) == 4 else 1
            # VGG's largest takes 0.4 GB in float32.
            values = draw.standard_normal(shape, dtype="float32")
            values *= math.sqrt(gain / math.prod(shape[:-1]))
        elif kind in ("gamma", "moving_variance"):
            values = draw.uniform(0.6, 1.2, shape)
        else:
            values = draw.standard_normal(shape) * 0.1
        variable.assign(values)


def copy_weights(source: keras.Model, target: keras.Model, layout: Layout) -> None:
    """Gives our network the weights of theirs by the layout's names, each of them once.

    A bias that we do not have, in front of a batch norm, is taken off the norm's mean; a gamma that
    they do not have is one.
    """
    peers = addressed(source)
    biases = {}
    for layer in target.layers:
        if not layer.weights:
            continue
        found = layout.names(layer.name)
        name, other_kind = (found, None) if isinstance(found, str) else found
        weights = values(peer := peers.pop(name))
        if isinstance(layer, keras.layers.BatchNormalization):
            assert peer.epsilon == layer.epsilon, name
            before = layer.input._keras_history.operation.name
            weights["moving_mean"] = weights["moving_mean"] - biases.get(before, 0)
            weights.setdefault("gamma", np.ones(layer.gamma.shape))
        elif layout.convolution_bias and not layer.use_bias:
            biases[layer.name] = weights.pop("bias")
        assert weights.keys() == values(layer).keys(), name
        for variable in layer.weights:
            value = weights[variable.path.rpartition("/")[2]]
            variable.assign(value.reshape(variable.shape) if other_kind else value)
    assert not peers


def addressed(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Layers with weights by name; numbered ones by their place among those, ``conv2d#0``."""
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    for kind in ("conv2d", "batch_normalization"):
        numbered = {
            int(found[1] or 0): name
            for name in layers
            if (found := re.fullmatch(rf"{kind}_?(\d*)", name))
        }
        for place, number in enumerate(sorted(numbered)):
            layers[f"{kind}#{place}"] = layers.pop(numbered[number])
    return layers


def values(layer: keras.layers.Layer) -> dict[str, np.ndarray]:
    """A layer's weights by what they are: ``kernel``, ``bias``, ``gamma``..."""
    return {
        variable.path.rpartition("/")[2]: keras.ops.convert_to_numpy(variable)
        for variable in layer.weights
    }


def largest_difference(model: keras.Model, peer: keras.Model, size: int) -> float:
    """Of the outputs for two random images, as a fraction of the largest output."""
    images = np.random.default_rng(1).standard_normal((2, size, size, 3)).astype("float32")
    ours, theirs = (keras.ops.convert_to_numpy(network(images)) for network in (model, peer))
    return abs(ours - theirs).max() / abs(theirs).max()
