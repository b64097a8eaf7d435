"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering.

F(4x4, 3x3) of Lavin, Gray 2015, "Fast Algorithms for Convolutional Neural Networks", arXiv
1509.09308, section 4. A tile of 4x4 outputs takes 36 products in place of 144: tiles of the input d
and the kernel g are transformed, multiplied and added up over the channels, and transformed back,
``Y = A^T [(G g G^T) * (B^T d B)] A``.

The paper's transforms are sums of few terms. Here they are products with a matrix of constants, in
which any points of interpolation cost the same: those chosen round 4 times less than the paper's.

Measured, for inference: VGG-16 exported for a CPU is 1.33 times as fast as keras.applications'
(`benchmarks/RESULTS.md`, 2 cores of a Zen 4). `kerasnets.fast.winograd_training` has training.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

import keras
import numpy as np
from keras import ops

from kerasnets.fast.rewriting import Layer, copied, input_shape, output_shape, rebuilt

# One of the backend's, or a symbolic one.
Tensor = Any

# Outputs of a tile, taps of a kernel and inputs of a tile, along each side.
OUTPUTS, TAPS = 4, 3
INPUTS = OUTPUTS + TAPS - 1
POINTS = (0, math.sqrt(2), -math.sqrt(2), math.sqrt(1 / 2), -math.sqrt(1 / 2), math.inf)

# How many rows and columns of a tile's inputs lie in which of 2x2 neighbouring blocks of 4x4.
_REST = INPUTS - OUTPUTS
BLOCKS = (
    (OUTPUTS, OUTPUTS, 0, 0),
    (OUTPUTS, _REST, 0, 1),
    (_REST, OUTPUTS, 1, 0),
    (_REST, _REST, 1, 1),
)

# In inference: products of channels that a tile needs, since with fewer the transforms take what
# is saved, and tiles of one image, since in a small batch fewer use each transformed weight too
# seldom.
CHANNEL_PAIRS = 128 * 256
TILES = 49


@keras.saving.register_keras_serializable(package="kerasnets")
class WinogradConv2D(keras.layers.Layer):
    """A 3x3 convolution at stride 1 computed in tiles, for inference.

    Its kernel is kept transformed, by `transformed_kernel`, and is not meant to be trained.

    Args:
        filters: Channels of the output.
        padding: ``"same"`` or ``"valid"``.
        activation: A function, or Keras' name for one.
        use_bias: Whether there is a bias.

    Input shape: (N, H, W, C), H and W known. Output shape: (N, H, W, filters), or
    (N, H - 2, W - 2, filters) without padding.

    Source: Lavin, Gray 2015, arXiv 1509.09308, section 4.
    """

    def __init__(
        self,
        filters: int,
        padding: str = "valid",
        activation: str | Callable | None = None,
        use_bias: bool = True,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if padding not in ("valid", "same"):
            raise ValueError(f"`padding` must be 'valid' or 'same'. Received: padding={padding!r}")
        self.filters = filters
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (INPUTS**2, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="zeros")
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        x = tiled(inputs, self.kernel, self._pad)
        return self.activation(x + self.bias if self.use_bias else x)

    @property
    def _pad(self) -> int:
        return TAPS // 2 if self.padding == "same" else 0

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[int | None, ...]:
        batch, *sides, _ = input_shape
        if any(side is None or side + 2 * self._pad < TAPS for side in sides):
            raise ValueError(
                f"Height and width must be known, and no smaller than the kernel of {TAPS}. "
                f"Received: input_shape={input_shape}"
            )
        return (batch, *output_sides(sides, self._pad), self.filters)

    def get_config(self) -> dict:
        config = {
            "filters": self.filters,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }
        return {**super().get_config(), **config}


def with_tiles(network: keras.Model) -> keras.Model:
    """A network for inference on CPUs with the same answers but for rounding.

    Args:
        network: A functional model in which each layer is used once; it is not changed.
    """
    return rebuilt(
        network, lambda layer: in_tiles(layer) if is_faster_in_tiles(layer) else copied(layer)
    )


def is_faster_in_tiles(layer: Layer) -> TypeGuard[keras.layers.Conv2D]:
    """Whether a layer is a convolution that a CPU computes sooner in tiles, in inference."""
    if not can_be_tiled(layer) or input_shape(layer)[-1] * layer.filters < CHANNEL_PAIRS:
        return False
    sides = output_shape(layer)[1:3]
    return None not in sides and tiles_in(sides) >= TILES


def in_tiles(layer: keras.layers.Conv2D) -> WinogradConv2D:
    """The same convolution in tiles, with weights of its own: four times as large."""
    kernel, *bias = layer.get_weights()
    tiled = WinogradConv2D(
        layer.filters,
        padding=layer.padding,
        activation=layer.activation,
        use_bias=layer.use_bias,
        name=layer.name,
        dtype=layer.dtype_policy,
    )
    tiled.build(input_shape(layer))
    tiled.set_weights([transformed_kernel(kernel), *bias])
    return tiled


def can_be_tiled(layer: Layer) -> TypeGuard[keras.layers.Conv2D]:
    """Whether a layer is a convolution that `tiled` computes: 3x3, stride 1, in float32."""
    return (
        # A subclass may compute something else.
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (TAPS, TAPS)
        and (layer.strides, layer.dilation_rate, layer.groups) == ((1, 1), (1, 1), 1)
        and (layer.data_format, layer.compute_dtype) == ("channels_last", "float32")
    )


def transformed_kernel(kernel: np.ndarray) -> np.ndarray:
    """What `tiled` takes of a kernel.

    Args:
        kernel: (3, 3, C, K).

    Returns:
        (36, C, K) float32.
    """
    flat = np.asarray(kernel, "float32").reshape(TAPS**2, -1)
    return (transforms()[1] @ flat).reshape(INPUTS**2, *kernel.shape[2:])


def tiled(x: Tensor, factors: Tensor, pad: int) -> Tensor:
    """A 3x3 convolution at stride 1.

    Args:
        x: (N, H, W, C) float32, H and W known.
        factors: The transformed kernel, (36, C, K).
        pad: Zeros on each side.

    Returns:
        (N, H + 2 pad - 2, W + 2 pad - 2, K).
    """
    outputs = output_sides(x.shape[1:3], pad)
    channels, filters = factors.shape[1:]
    of_inputs, _, of_outputs = (ops.convert_to_tensor(each) for each in transforms())
    planes = ops.matmul(of_inputs, input_planes(x, outputs, pad))
    products = ops.matmul(ops.reshape(planes, (INPUTS**2, -1, channels)), factors)
    y = ops.matmul(of_outputs, ops.reshape(products, (INPUTS**2, -1)))
    return from_output_planes(y, outputs, filters)


def output_sides(sides: Iterable[int], pad: int) -> tuple[int, int]:
    """Height and width of a convolution's output."""
    height, width = (side + 2 * pad - TAPS + 1 for side in sides)
    return height, width


def tiles_in(sides: Iterable[int]) -> int:
    """How many tiles it takes to make a map of outputs."""
    return math.prod(map(tiles_along, sides))


def tiles_along(side: int) -> int:
    """How many tiles it takes to make so many outputs."""
    return -(-side // OUTPUTS)


@functools.cache
def transforms() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    # As `input_planes` has them.
    order = np.lexsort((columns, rows, columns >= OUTPUTS, rows >= OUTPUTS))
    return np.ascontiguousarray(whole[0][:, order]), whole[1], whole[2]


def input_planes(x: Tensor, outputs: tuple[int, int], pad: int) -> Tensor:
    """(36, N tiles C): each plane holds the same pixel of all tiles, which overlap by two."""
    (height, width, channels), (rows, columns) = x.shape[1:], map(tiles_along, outputs)
    below, right = OUTPUTS * (rows + 1) - height - pad, OUTPUTS * (columns + 1) - width - pad
    x = ops.pad(x, [[0, 0], [pad, below], [pad, right], [0, 0]])
    x = ops.reshape(x, (-1, rows + 1, OUTPUTS, columns + 1, OUTPUTS, channels))
    x = ops.transpose(x, (2, 4, 0, 1, 3, 5))
    parts = [
        x[:high, :wide, :, down : down + rows, along : along + columns]
        for high, wide, down, along in BLOCKS
    ]
    flat = [ops.reshape(part, (part.shape[0] * part.shape[1], -1)) for part in parts]
    return ops.concatenate(flat, axis=0)


def from_output_planes(planes: Tensor, outputs: tuple[int, int], filters: int) -> Tensor:
    """(N, H, W, K) from (16, N tiles K), without what reaches beyond."""
    (height, width), (rows, columns) = outputs, map(tiles_along, outputs)
    y = ops.reshape(planes, (OUTPUTS, OUTPUTS, -1, rows, columns, filters))
    y = ops.transpose(y, (2, 3, 0, 4, 1, 5))
    y = ops.reshape(y, (-1, OUTPUTS * rows, OUTPUTS * columns, filters))
    return y[:, :height, :width]
