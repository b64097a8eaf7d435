"""Random weights that a network of keras.applications and ours share."""

from __future__ import annotations

import math
import re

import keras
import numpy as np


def randomize(model: keras.Model) -> None:
    """Draws all weights, biases and batch-norm statistics, so that none of them is neutral."""
    draw = np.random.default_rng(0)
    for variable in model.weights:
        shape, kind = variable.shape, variable.path.rpartition("/")[2]
        if kind == "kernel":
            gain = 2 if len(shape) == 4 else 1
            values = draw.standard_normal(shape) * math.sqrt(gain / math.prod(shape[:-1]))
        elif kind in ("gamma", "moving_variance"):
            values = draw.uniform(0.6, 1.2, shape)
        else:
            values = draw.standard_normal(shape) * 0.1
        variable.assign(values)


def copy_resnet(source: keras.Model, target: keras.Model) -> None:
    """Gives our ResNet the weights of theirs, layer by layer.

    A bias that we do not have, in front of a batch norm, is taken off the norm's mean.
    """
    for layer in target.layers:
        if not layer.weights:
            continue
        peer = source.get_layer(keras_name(layer.name))
        weights = {variable.path.rpartition("/")[2]: variable for variable in peer.weights}
        if isinstance(layer, keras.layers.BatchNormalization):
            before = layer.input._keras_history.operation
            bias = _lost_bias(source, before)
            weights["moving_mean"] = weights["moving_mean"] - bias
        for variable in layer.weights:
            variable.assign(weights[variable.path.rpartition("/")[2]])


def _lost_bias(source: keras.Model, layer: keras.layers.Layer) -> np.ndarray | float:
    if not isinstance(layer, keras.layers.Conv2D):
        return 0.0
    peer = source.get_layer(keras_name(layer.name))
    return peer.bias if peer.use_bias and not layer.use_bias else 0.0


def keras_name(layer: str) -> str:
    """The name that keras.applications gives to a layer of a ResNet, v1 or v2."""
    norm = "bn" if layer.endswith("_bn") else "conv"
    layer = layer.removesuffix("_bn")
    if layer in ("stem_conv", "final", "logits"):
        return {"stem_conv": f"conv1_{norm}", "final": "post_bn", "logits": "predictions"}[layer]
    stage, block, place = re.fullmatch(r"stage(\d)_block(\d+)_(\w+)", layer).groups()
    place = {"shortcut": "0"}.get(place, place.removeprefix("conv"))
    return f"conv{int(stage) + 1}_block{block}_{place}_{norm}"


def largest_difference(model: keras.Model, peer: keras.Model, size: int) -> float:
    """Of the outputs for two random images, as a share of the largest output."""
    images = np.random.default_rng(1).standard_normal((2, size, size, 3)).astype("float32")
    ours, theirs = (keras.ops.convert_to_numpy(network(images)) for network in (model, peer))
    return abs(ours - theirs).max() / abs(theirs).max()
