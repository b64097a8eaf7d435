"""3x3 convolutions with a quarter of the multiplications, for training on CPUs.

Winograd's minimal filtering F(4x4, 3x3): Lavin, Gray 2015, "Fast Algorithms for Convolutional
Neural Networks", arXiv 1509.09308, section 4. A tile of 4x4 outputs takes 36 products in place of
144: tiles of the input d and the kernel g are transformed, multiplied and added up over the
channels, and transformed back, ``Y = A^T [(G g G^T) * (B^T d B)] A``.

The paper's transforms are sums of few terms. Here they are products with a matrix of constants, in
which any points of interpolation cost the same: those chosen round 4 times less than the paper's.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from kerasnets.training.tracing import replaced

# Outputs of a tile, taps of a kernel and inputs of a tile, along each side.
OUTPUTS, TAPS = 4, 3
INPUTS = OUTPUTS + TAPS - 1
POINTS = (0, math.sqrt(2), -math.sqrt(2), math.sqrt(1 / 2), -math.sqrt(1 / 2), math.inf)

# With fewer channels the transforms, which are bound by memory, take what the products save.
CHANNELS = 128
# Tiles in a batch from which the transformed kernel, 4 times as large, is used often enough.
TILES = 64
# Of the products of the plain convolution; maps of 5x5 need more, since their tiles reach beyond.
SHARE = 0.4


def winograd_convolutions(
    layers: Iterable[keras.layers.Layer],
) -> contextlib.AbstractContextManager:
    """Lets convolutions compute by minimal filtering in the step that is traced inside.

    Only those that are faster so: 3x3, stride 1, many channels, float32, on a CPU.
    """
    fitting = [] if tf.config.list_logical_devices("GPU") else filter(_fits, layers)
    return replaced(
        fitting, "convolution_op", lambda layer, own: functools.partial(_convolved, layer, own)
    )


def _fits(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (TAPS, TAPS)
        and (layer.strides, layer.dilation_rate, layer.groups) == ((1, 1), (1, 1), 1)
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
        and min(layer.kernel.shape[2:]) >= CHANNELS
    )


def _convolved(
    layer: keras.layers.Conv2D, own: object, inputs: tf.Tensor, kernel: tf.Tensor
) -> tf.Tensor:
    """What `layer.convolution_op` returns."""
    pad = 1 if layer.padding == "same" else 0
    batch, *sides, _ = inputs.shape
    if None in sides:
        return own(inputs, kernel)
    outputs = [side + 2 * pad - TAPS + 1 for side in sides]
    tiles = math.prod(_tiles(side) for side in outputs)
    share = tiles * INPUTS**2 / (math.prod(outputs) * TAPS**2)
    if share > SHARE or (batch or TILES) * tiles < TILES:
        return own(inputs, kernel)
    return convolution(inputs, tf.convert_to_tensor(kernel), pad)


def _tiles(side: int) -> int:
    return -(-side // OUTPUTS)


def convolution(x: tf.Tensor, kernel: tf.Tensor, pad: int) -> tf.Tensor:
    """A 3x3 convolution at stride 1, with a gradient that is computed in tiles too.

    Args:
        x: (N, H, W, C) float32, H and W known.
        kernel: (3, 3, C, K) float32.
        pad: Zeros on each side.

    Returns:
        (N, H + 2 pad - 2, W + 2 pad - 2, K).
    """
    outputs = tuple(side + 2 * pad - TAPS + 1 for side in x.shape[1:3])

    @tf.custom_gradient
    def convolved(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
        of_inputs, of_kernel, of_outputs = (tf.constant(each) for each in _transforms())
        channels, filters = kernel.shape[2:]
        planes = INPUTS**2
        tiles = tf.reshape(of_inputs @ _input_planes(x, outputs, pad), (planes, -1, channels))
        flat = tf.reshape(kernel, (TAPS**2, -1))
        factors = tf.reshape(of_kernel @ flat, (planes, channels, filters))
        products = tf.reshape(tiles @ factors, (planes, -1))
        y = _from_output_planes(of_outputs @ products, outputs, filters)

        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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


@functools.cache
def _transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """B^T, G and A^T of whole tiles, (36, 36), (36, 9) and (16, 36).

    The matrices of one side are Cook's and Toom's: to multiply two polynomials, evaluate both at
    points, multiply the values, interpolate; a convolution is that transposed. The rows of B^T and
    G have length 1, which rounds less.
    """
    powers = np.stack(
        [
            np.eye(INPUTS)[-1] if math.isinf(point) else point ** np.arange(INPUTS)
            for point in POINTS
        ]
    )
    last = np.isinf(POINTS)
    of_inputs = np.linalg.inv(powers).T
    of_kernel, of_outputs = (
        np.where(last[:, np.newaxis], np.eye(size)[-1], powers[:, :size])
        for size in (TAPS, OUTPUTS)
    )
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in (of_inputs, of_kernel)]
    of_inputs, of_kernel = of_inputs / lengths[0], of_kernel / lengths[1]
    of_outputs = (of_outputs * lengths[0] * lengths[1]).T
    whole = [np.kron(each, each).astype(np.float32) for each in (of_inputs, of_kernel, of_outputs)]
    rows, columns = np.divmod(np.arange(INPUTS**2), INPUTS)
    # As `_input_planes` has them.
    order = np.lexsort((columns, rows, columns >= OUTPUTS, rows >= OUTPUTS))
    return np.ascontiguousarray(whole[0][:, order]), whole[1], whole[2]


# How many rows and columns of a tile's inputs lie in which of 2x2 neighbouring blocks of 4x4.
_REST = INPUTS - OUTPUTS
_BLOCKS = (
    (OUTPUTS, OUTPUTS, 0, 0),
    (OUTPUTS, _REST, 0, 1),
    (_REST, OUTPUTS, 1, 0),
    (_REST, _REST, 1, 1),
)


def _input_planes(x: tf.Tensor, outputs: tuple[int, int], pad: int) -> tf.Tensor:
    """(36, N tiles C): each plane holds the same pixel of all tiles, which overlap by two."""
    (height, width, channels), (rows, columns) = x.shape[1:], map(_tiles, outputs)
    below, right = OUTPUTS * (rows + 1) - height - pad, OUTPUTS * (columns + 1) - width - pad
    x = tf.pad(x, [[0, 0], [pad, below], [pad, right], [0, 0]])
    x = tf.reshape(x, (-1, rows + 1, OUTPUTS, columns + 1, OUTPUTS, channels))
    x = tf.transpose(x, (2, 4, 0, 1, 3, 5))
    parts = [
        x[:high, :wide, :, down : down + rows, along : along + columns]
        for high, wide, down, along in _BLOCKS
    ]
    flat = [tf.reshape(part, (part.shape[0] * part.shape[1], -1)) for part in parts]
    return tf.concat(flat, axis=0)


def _from_input_planes(
    planes: tf.Tensor, shape: tuple[int, int, int], outputs: tuple[int, int], pad: int
) -> tf.Tensor:
    """`_input_planes` transposed: overlapping tiles add up to (N, H, W, C)."""
    (height, width, channels), (rows, columns) = shape, map(_tiles, outputs)
    parts = tf.split(planes, [high * wide for high, wide, *_ in _BLOCKS])
    whole = []
    for part, (high, wide, down, along) in zip(parts, _BLOCKS, strict=True):
        part = tf.reshape(part, (high, wide, -1, rows, columns, channels))
        sides = [[0, OUTPUTS - high], [0, OUTPUTS - wide], [0, 0]]
        whole.append(tf.pad(part, [*sides, [down, 1 - down], [along, 1 - along], [0, 0]]))
    x = tf.transpose(tf.add_n(whole), (2, 3, 0, 4, 1, 5))
    x = tf.reshape(x, (-1, OUTPUTS * (rows + 1), OUTPUTS * (columns + 1), channels))
    return x[:, pad : pad + height, pad : pad + width]


def _from_output_planes(planes: tf.Tensor, outputs: tuple[int, int], filters: int) -> tf.Tensor:
    """(N, H, W, K) from (16, N tiles K), without what reaches beyond."""
    (height, width), (rows, columns) = outputs, map(_tiles, outputs)
    y = tf.reshape(planes, (OUTPUTS, OUTPUTS, -1, rows, columns, filters))
    y = tf.transpose(y, (2, 3, 0, 4, 1, 5))
    y = tf.reshape(y, (-1, OUTPUTS * rows, OUTPUTS * columns, filters))
    return y[:, :height, :width]


def _output_planes(y: tf.Tensor, outputs: tuple[int, int]) -> tf.Tensor:
    """`_from_output_planes` transposed."""
    (height, width), (rows, columns) = outputs, map(_tiles, outputs)
    below, right = OUTPUTS * rows - height, OUTPUTS * columns - width
    if below or right:
        y = tf.pad(y, [[0, 0], [0, below], [0, right], [0, 0]])
    y = tf.reshape(y, (-1, rows, OUTPUTS, columns, OUTPUTS, y.shape[-1]))
    return tf.reshape(tf.transpose(y, (2, 4, 0, 1, 3, 5)), (OUTPUTS**2, -1))
