"""What convolutions and networks cost, counted on layers that Keras has built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kerasnets.lab.cells import Measured
from kerasnets.lazy import keras

WEIGHTS = "weights"
MULTIPLY_ADDS = "multiply-adds"


class Conv(NamedTuple):
    """A convolution: its kernel, (height, width) or a side, and its maps; no bias."""

    kernel: int | tuple[int, int]
    inputs: int
    outputs: int


def cost(branches: Sequence[Sequence[Conv]], *, pixels: int) -> Measured:
    """Weights and multiply-adds of convolutions one after the other, of all branches together.

    Args:
        branches: Of each, its convolutions, with stride 1 and "same" padding.
        pixels: Side of the map that they are applied to.
    """
    from kerasnets.inspection.table import multiply_adds

    weights = operations = 0
    for branch in branches:
        x = image = keras.Input((pixels, pixels, branch[0].inputs))
        for conv in branch:
            if x.shape[-1] != conv.inputs:
                raise ValueError(f"{conv} is applied to {x.shape[-1]} maps")
            layer = keras.layers.Conv2D
            x = layer(conv.outputs, conv.kernel, padding="same", use_bias=False)(x)
        model = keras.Model(image, x)
        weights += model.count_params()
        operations += multiply_adds(model)
    return Measured({WEIGHTS: weights, MULTIPLY_ADDS: operations})
