"""Networks that are trained in the place of others, with the variables of those."""

from __future__ import annotations

from collections.abc import Collection

import keras

from kerasnets.fast.fused import FusedBatchNormalization, can_be_fused
from kerasnets.fast.rewriting import Layer, SameLayer, copied, rebuilt
from kerasnets.fast.winograd_training import WinogradTrainingConv2D, is_faster_in_tiles
from kerasnets.layers.rematerialize import Rematerialize


def with_training_kernels(network: keras.Model, names: Collection[str]) -> keras.Model:
    """A network with the variables of `network`, to be called in a training step.

    Args:
        network: A functional model in which each layer is used once; it is not changed.
        names: Tricks; ``"batch_norm"`` and ``"winograd"`` count.

    Returns:
        A model whose layers compute those of `network`; `network` where none has a faster kernel.
    """
    kernels: dict[Layer, type[SameLayer]] = {}
    for layer in network.layers:
        if "batch_norm" in names and can_be_fused(layer):
            kernels[layer] = FusedBatchNormalization
        elif "winograd" in names and is_faster_in_tiles(layer):
            kernels[layer] = WinogradTrainingConv2D

    def replacement(layer: Layer) -> Layer:
        # It computes again the layers that lead to it, of its own network.
        if isinstance(layer, Rematerialize):
            return copied(layer)
        return kernels.get(layer, SameLayer)(layer)

    return rebuilt(network, replacement) if kernels else network
