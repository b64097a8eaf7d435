"""The same network with wide 3x3 convolutions computed in tiles, which is faster on CPUs."""

from __future__ import annotations

import math

import keras

from kerasnets.fast.rewriting import copied, rebuilt
from kerasnets.fast.winograd import WinogradConv2D, can_be_tiled, tiles_along, transformed_kernel

# Products a tile needs: with fewer, the transforms take what is saved.
CHANNEL_PAIRS = 128 * 256
# Of one image; with fewer a small batch uses each of the transformed weights too seldom.
TILES = 49


def in_tiles(network: keras.Model) -> keras.Model:
    """A network for inference with the same answers but for rounding, for CPUs alone.

    The weights of a convolution that is computed in tiles take four times the memory.

    Args:
        network: A functional model in which each layer is used once; it is not changed.
    """
    return rebuilt(network, lambda layer: _tiled(layer) if _fits(layer) else copied(layer))


def _fits(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a convolution that is faster in tiles."""
    if not can_be_tiled(layer) or math.prod(layer.kernel.shape[2:]) < CHANNEL_PAIRS:
        return False
    sides = layer.output.shape[1:3]
    return None not in sides and math.prod(map(tiles_along, sides)) >= TILES


def _tiled(layer: keras.layers.Conv2D) -> WinogradConv2D:
    kernel, *bias = layer.get_weights()
    tiled = WinogradConv2D(
        layer.filters,
        padding=layer.padding,
        activation=layer.activation,
        use_bias=layer.use_bias,
        name=layer.name,
    )
    tiled.build(layer.input.shape)
    tiled.set_weights([transformed_kernel(kernel), *bias])
    return tiled
