"""3x3 convolutions in tiles (`kerasnets.fast.winograd`) for training on CPUs.

The gradient is computed in tiles of its own: that which TensorFlow derives is slower than the plain
convolution's.

Measured: a step of `vgg16` with 16 images went from 0.99 of keras.applications' time to 0.66.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeGuard

import keras

from kerasnets.fast.rewriting import Layer, SameLayer, input_shape, output_shape
from kerasnets.fast.winograd import (
    BLOCKS,
    INPUTS,
    OUTPUTS,
    TAPS,
    Tensor,
    can_be_tiled,
    from_output_planes,
    input_planes,
    output_sides,
    tiles_along,
    tiles_in,
    transforms,
)
from kerasnets.lazy import tf

# With fewer channels the transforms, which are bound by memory, take what the products save.
CHANNELS = 128
# Tiles in a batch from which the transformed kernel, 4 times as large, is used often enough.
TILES = 64
# Fraction of the plain convolution's products; maps of 5x5 need more, since their tiles reach
# beyond.
PRODUCTS = 0.4


def is_faster_in_tiles(layer: Layer) -> TypeGuard[keras.layers.Conv2D]:
    """Whether a layer is a convolution that a CPU trains sooner in tiles, in batches of some size.

    Those are 3x3, of stride 1, with many channels, in float32.
    """
    # A subclass may compute something else.
    if type(layer) is not keras.layers.Conv2D or not can_be_tiled(layer):
        return False
    sides = output_shape(layer)[1:3]
    if None in sides or min(input_shape(layer)[-1], layer.filters) < CHANNELS:
        return False
    return tiles_in(sides) * INPUTS**2 <= PRODUCTS * math.prod(sides) * TAPS**2


class WinogradTrainingConv2D(SameLayer):
    """A `keras.layers.Conv2D` computed in tiles, with its gradient."""

    layer: keras.layers.Conv2D

    def __init__(self, layer: keras.layers.Conv2D) -> None:
        super().__init__(layer, autocast=True)

    def call(self, inputs: Tensor) -> Tensor:
        layer = self.layer
        if (inputs.shape[0] or TILES) * tiles_in(output_shape(layer)[1:3]) < TILES:
            return layer(inputs)
        pad = 1 if layer.padding == "same" else 0
        x = convolution(inputs, tf.convert_to_tensor(layer.kernel), pad)
        return layer.activation(tf.nn.bias_add(x, layer.bias) if layer.use_bias else x)


def convolution(x: Tensor, kernel: Tensor, pad: int) -> Tensor:
    """A 3x3 convolution at stride 1, with a gradient that is computed in tiles too.

    Args:
        x: (N, H, W, C) float32, H and W known.
        kernel: (3, 3, C, K) float32.
        pad: Zeros on each side.

    Returns:
        (N, H + 2 pad - 2, W + 2 pad - 2, K).
    """
    outputs = output_sides(x.shape[1:3], pad)

    @tf.custom_gradient
    def convolved(x: Tensor, kernel: Tensor) -> tuple[Tensor, Callable]:
        of_inputs, of_kernel, of_outputs = (tf.constant(each) for each in transforms())
        channels, filters = kernel.shape[2:]
        planes = INPUTS**2
        tiles = tf.reshape(of_inputs @ input_planes(x, outputs, pad), (planes, -1, channels))
        flat = tf.reshape(kernel, (TAPS**2, -1))
        factors = tf.reshape(of_kernel @ flat, (planes, channels, filters))
        products = tf.reshape(tiles @ factors, (planes, -1))
        y = from_output_planes(of_outputs @ products, outputs, filters)

        def gradient(dy: Tensor) -> tuple[Tensor, Tensor]:
            """Each step transposed, from the last to the first."""
            dproducts = tf.matmul(of_outputs, _output_planes(dy, outputs), transpose_a=True)
            dproducts = tf.reshape(dproducts, (planes, -1, filters))
            dfactors = tf.reshape(tf.matmul(tiles, dproducts, transpose_a=True), (planes, -1))
            dkernel = tf.matmul(of_kernel, dfactors, transpose_a=True)
            dtiles = tf.reshape(tf.matmul(dproducts, factors, transpose_b=True), (planes, -1))
            dplanes = tf.matmul(of_inputs, dtiles, transpose_a=True)
            dx = _from_input_planes(dplanes, x.shape[1:], outputs, pad)
            return dx, tf.reshape(dkernel, kernel.shape)

        return y, gradient

    return convolved(x, kernel)


def _from_input_planes(
    planes: Tensor, shape: tuple[int, int, int], outputs: tuple[int, int], pad: int
) -> Tensor:
    """`input_planes` transposed: overlapping tiles add up to (N, H, W, C)."""
    (height, width, channels), (rows, columns) = shape, map(tiles_along, outputs)
    parts = tf.split(planes, [high * wide for high, wide, *_ in BLOCKS])
    whole = []
    for part, (high, wide, down, along) in zip(parts, BLOCKS, strict=True):
        part = tf.reshape(part, (high, wide, -1, rows, columns, channels))
        sides = [[0, OUTPUTS - high], [0, OUTPUTS - wide], [0, 0]]
        whole.append(tf.pad(part, [*sides, [down, 1 - down], [along, 1 - along], [0, 0]]))
    x = tf.transpose(tf.add_n(whole), (2, 3, 0, 4, 1, 5))
    x = tf.reshape(x, (-1, OUTPUTS * (rows + 1), OUTPUTS * (columns + 1), channels))
    return x[:, pad : pad + height, pad : pad + width]


def _output_planes(y: Tensor, outputs: tuple[int, int]) -> Tensor:
    """`from_output_planes` transposed."""
    (height, width), (rows, columns) = outputs, map(tiles_along, outputs)
    below, right = OUTPUTS * rows - height, OUTPUTS * columns - width
    if below or right:
        y = tf.pad(y, [[0, 0], [0, below], [0, right], [0, 0]])
    y = tf.reshape(y, (-1, rows, OUTPUTS, columns, OUTPUTS, y.shape[-1]))
    return tf.reshape(tf.transpose(y, (2, 4, 0, 1, 3, 5)), (OUTPUTS**2, -1))
