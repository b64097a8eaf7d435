"""Convolutions of few channels, with the max pooling behind them, as products for XLA on CPUs.

The libraries' convolutions compute in blocks of 16 channels, so that 1 or 6 of them leave most of a
block empty. Here a row of the product is a patch of the image, and its columns are the outputs of
all filters in a square of pixels, whose side is a multiple of the pooling's: the same kernel for
each of the pixels, shifted to it, with zeros around it. Pooling is then the largest of four columns
of a row. A square takes more products than its pixels one by one (1.4 times as many for 5x5 kernels
and 2x2 pixels), and far fewer values to be laid out in patches.

XLA joins what is left between the products. Its own convolutions are slow, so a step is compiled
where all convolutions can be replaced.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from kerasnets.fast.tracing import replaced

# Steps of a run from which compiling, which takes a second or two, is paid back.
STEPS = 1000
# With more channels the libraries' blocks are full.
CHANNELS = 16
# What pooling may come before: a larger input never has a smaller output.
MONOTONE = (
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.sigmoid,
    keras.activations.tanh,
)
# Sides of a square of outputs; pooling takes 2.
SQUARES = (2, 4)
# What a value of a patch costs, in products.
VALUE = 50
# XLA computes these well, or there is nothing to compute.
SIMPLE = (
    keras.layers.InputLayer,
    keras.layers.Activation,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.Flatten,
)


class Chain(NamedTuple):
    """A convolution, its activation if that is a layer of its own, and the pooling behind it."""

    convolution: keras.layers.Conv2D
    activation: keras.layers.Activation | None
    pooling: keras.layers.MaxPooling2D


def is_worth_compiling(network: keras.Model, steps: int) -> bool:
    """Whether a run on this machine is faster with its step compiled, convolutions replaced.

    Args:
        network: To be trained.
        steps: Of the whole run. What an interrupted run has left must not count: it goes on with
            the same bits.
    """
    if steps < STEPS or tf.distribute.has_strategy() or tf.config.list_logical_devices("GPU"):
        return False
    chains = _chains(network)
    known = {layer for chain in chains for layer in chain}
    return bool(chains) and all(
        layer in known or (type(layer) in SIMPLE and layer.compute_dtype == "float32")
        for layer in network.layers
    )


@contextlib.contextmanager
def pooled_convolutions(network: keras.Model) -> Iterator[None]:
    """Lets convolutions of few channels and their pooling compute as products where traced inside.

    Not on GPUs.
    """
    chains = [] if tf.config.list_logical_devices("GPU") else _chains(network)
    first = {chain.convolution: chain for chain in chains}
    rest = [layer for chain in chains for layer in chain[1:] if layer is not None]
    with (
        replaced(first, "call", lambda layer, own: functools.partial(_computed, first[layer])),
        replaced(rest, "call", lambda layer, own: lambda inputs: inputs),
    ):
        yield


def _computed(chain: Chain, inputs: tf.Tensor) -> tf.Tensor:
    """What the chain's pooling returns."""
    layer, activation, _ = chain
    pad = layer.kernel_size[0] // 2 if layer.padding == "same" else 0
    y = pooled_convolution(inputs, tf.convert_to_tensor(layer.kernel), pad)
    if layer.use_bias:
        y += tf.convert_to_tensor(layer.bias)
    y = layer.activation(y)
    return y if activation is None else activation.activation(y)


def _chains(network: keras.Model) -> list[Chain]:
    found = []
    followers = _followers(network)
    for layer in network.layers:
        if not _fits(layer):
            continue
        activation, pooling = None, followers.get(layer)
        if type(pooling) is keras.layers.Activation and pooling.activation in MONOTONE:
            activation, pooling = pooling, followers.get(pooling)
        if _pools(pooling):
            found.append(Chain(layer, activation, pooling))
    return found


def _followers(network: keras.Model) -> dict[keras.layers.Layer, keras.layers.Layer]:
    """The layer behind each layer whose output is seen by that one alone."""
    users: dict[keras.layers.Layer, list] = {}
    for tensor in network.outputs:
        users.setdefault(tensor._keras_history.operation, []).append(None)
    for layer in network.layers:
        for node in layer._inbound_nodes:
            for tensor in node.input_tensors:
                users.setdefault(tensor._keras_history.operation, []).append(layer)
    return {layer: found[0] for layer, found in users.items() if len(found) == 1}


def _fits(layer: keras.layers.Layer) -> bool:
    if type(layer) is not keras.layers.Conv2D or len(layer._inbound_nodes) != 1:
        return False
    size, other = layer.kernel_size
    padded = size % 2 == 1 if layer.padding == "same" else layer.padding == "valid"
    return (
        size == other
        and padded
        and (layer.strides, layer.dilation_rate, layer.groups) == ((1, 1), (1, 1), 1)
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
        and layer.activation in MONOTONE
        and max(layer.kernel.shape[2:]) <= CHANNELS
        and None not in layer.input.shape[1:]
        and min(layer.output.shape[1:3]) > 1
    )


def _pools(layer: keras.layers.Layer | None) -> bool:
    return (
        type(layer) is keras.layers.MaxPooling2D
        and layer.pool_size == layer.strides == (2, 2)
        and layer.padding == "valid"
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
    )


def pooled_convolution(x: tf.Tensor, kernel: tf.Tensor, pad: int) -> tf.Tensor:
    """Max pooling, 2x2 at stride 2, of a convolution at stride 1.

    Args:
        x: (N, H, W, C), H and W known.
        kernel: (k, k, C, K).
        pad: Zeros on each side.

    Returns:
        (N, (H + 2 pad - k + 1) // 2, (W + 2 pad - k + 1) // 2, K).
    """
    size, _, channels, filters = kernel.shape
    height, width = (side + 2 * pad - size + 1 for side in x.shape[1:3])
    side = _square(height, width, size, channels, filters)
    rows, columns = -(-height // side), -(-width // side)
    blocks = _blocks(size, side)
    tall, wide = (side * (count + blocks - 1) for count in (rows, columns))
    below, right = tall - x.shape[1] - pad, wide - x.shape[2] - pad
    x = tf.pad(x, [[0, 0], [pad, below], [pad, right], [0, 0]])
    products = _patches(x, blocks, side) @ _shifted(kernel, blocks, side)
    half = side // 2
    y = largest(tf.reshape(products, (-1, 4, half * half * filters)))
    y = tf.reshape(y, (-1, rows, columns, half, half, filters))
    y = tf.reshape(tf.transpose(y, (0, 1, 3, 2, 4, 5)), (-1, rows * half, columns * half, filters))
    return y[:, : height // 2, : width // 2]


def _square(height: int, width: int, size: int, channels: int, filters: int) -> int:
    """The side of the squares of outputs that cost least."""

    def cost(side: int) -> int:
        patches = -(-height // side) * -(-width // side)
        # Processors multiply 16 values at once.
        outputs = -(-side * side * filters // 16) * 16
        return patches * (_blocks(size, side) * side) ** 2 * channels * (outputs + VALUE)

    return min(SQUARES, key=cost)


def _blocks(size: int, side: int) -> int:
    """Blocks of pixels, as large as a square of outputs, along a side of a patch."""
    return -(-(size + side - 1) // side)


def _patches(x: tf.Tensor, blocks: int, side: int) -> tf.Tensor:
    """(N patches, blocks^2 side^2 C): each a square of blocks, a block apart from the next."""
    _, height, width, channels = x.shape
    down, along = height // side, width // side
    x = tf.reshape(x, (-1, down, side, along, side, channels))
    x = tf.transpose(x, (0, 1, 3, 2, 4, 5))
    x = tf.reshape(x, (-1, down, along, side * side * channels))
    rows, columns = down - blocks + 1, along - blocks + 1
    parts = [x[:, i : i + rows, j : j + columns] for i in range(blocks) for j in range(blocks)]
    return tf.reshape(tf.concat(parts, -1), (-1, (blocks * side) ** 2 * channels))


def _shifted(kernel: tf.Tensor, blocks: int, side: int) -> tf.Tensor:
    """(blocks^2 side^2 C, side^2 K): the kernel for each output of a square.

    First the outputs that come first in their windows of pooling, then those that come second...
    """
    size, _, channels, filters = kernel.shape
    rest, windows = blocks * side - size, range(0, side, 2)
    shifts = [
        (down + i, along + j)
        for i in range(2)
        for j in range(2)
        for down in windows
        for along in windows
    ]
    kernels = [
        tf.pad(kernel, [[down, rest - down], [along, rest - along], [0, 0], [0, 0]])
        for down, along in shifts
    ]
    whole = tf.reshape(
        tf.stack(kernels, 3), (blocks, side, blocks, side, channels, side * side * filters)
    )
    return tf.reshape(tf.transpose(whole, (0, 2, 1, 3, 4, 5)), (-1, side * side * filters))


@tf.custom_gradient
def largest(x: tf.Tensor) -> tuple[tf.Tensor, object]:
    """The largest of four: (R, 4, K) to (R, K). The gradient goes to the first of equal ones.

    So does that of TensorFlow's pooling; black pixels make many equal ones.
    """
    a, b, c, d = tf.unstack(x, axis=1)
    upper, lower = tf.maximum(a, b), tf.maximum(c, d)

    def gradient(dy: tf.Tensor) -> tf.Tensor:
        zero = tf.zeros_like(dy)
        above = upper >= lower
        left_above, left_below = a >= b, c >= d
        dupper, dlower = tf.where(above, dy, zero), tf.where(above, zero, dy)
        parts = [
            tf.where(left_above, dupper, zero),
            tf.where(left_above, zero, dupper),
            tf.where(left_below, dlower, zero),
            tf.where(left_below, zero, dlower),
        ]
        return tf.stack(parts, axis=1)

    return tf.maximum(upper, lower), gradient
