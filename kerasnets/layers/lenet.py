"""The layers of LeNet-5 that went out of use: LeCun et al. 1998, section II.B."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class TrainableSubsampling(keras.layers.Layer):
    """Sums blocks of pixels, times one coefficient and plus one bias for each map.

    Args:
        pool_size: Side of a block; blocks do not overlap.

    Input shape: (N, H, W, C). Output shape: (N, H // pool_size, W // pool_size, C).
    Weights: 2 C.

    Source: LeCun et al. 1998, section II.B, layers S2 and S4.
    """

    def __init__(self, pool_size: int = 2, **kwargs) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size

    def build(self, input_shape: tuple) -> None:
        # Appendix A: uniform in ±2.4 / fan-in, and a unit sees pool_size² pixels.
        limit = 2.4 / self.pool_size**2
        self.coefficient = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="coefficient",
        )
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="bias")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        mean = ops.average_pool(x, self.pool_size, self.pool_size, data_format="channels_last")
        return mean * (self.pool_size**2 * self.coefficient) + self.bias

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        sides = (side and side // self.pool_size for side in (height, width))
        return (batch, *sides, channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package="kerasnets")
class SparseConnectionConv2D(keras.layers.Layer):
    """A convolution in which each output map sees only some input maps.

    Only the kernels that exist are stored, one for each connection, so that the count of
    parameters is the paper's and no training step can wake a connection that is not there.

    Args:
        connections: For each output map the input maps that it sees.
        kernel_size: Side of the kernels, stride 1, no padding.

    Input shape: (N, H, W, C). Output shape:
    (N, H - kernel_size + 1, W - kernel_size + 1, len(connections)).

    Source: LeCun et al. 1998, table I (layer C3).
    """

    def __init__(self, connections: Sequence[Sequence[int]], kernel_size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.connections = [list(inputs) for inputs in connections]
        self.kernel_size = kernel_size

    def build(self, input_shape: tuple) -> None:
        channels = input_shape[-1]
        highest = max(max(inputs) for inputs in self.connections)
        if highest >= channels:
            raise ValueError(
                f"`connections` name input map {highest}, but there are {channels}. "
                f"Received: input_shape={input_shape}"
            )
        pairs = [
            (source, target) for target, inputs in enumerate(self.connections) for source in inputs
        ]
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, len(pairs)),
            initializer=self._fan_in_uniform,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(len(self.connections),), initializer="zeros", name="bias"
        )
        # Row p has its single 1 where connection p stands in the dense kernel.
        flat = [source * len(self.connections) + target for source, target in pairs]
        self._placement = ops.one_hot(flat, channels * len(self.connections))
        self._dense_shape = (
            self.kernel_size,
            self.kernel_size,
            channels,
            len(self.connections),
        )

    def _fan_in_uniform(self, shape: tuple, dtype: str | None = None) -> keras.KerasTensor:
        """Appendix A: uniform in ±2.4 / fan-in, which differs from map to map."""
        fan_in = [len(inputs) * self.kernel_size**2 for inputs in self.connections for _ in inputs]
        limit = 2.4 / ops.cast(fan_in, dtype)
        return limit * keras.random.uniform(shape, -1.0, 1.0, dtype=dtype)

    @property
    def dense_kernel(self) -> keras.KerasTensor:
        """(kernel_size, kernel_size, C, filters), zero where there is no connection."""
        placement = ops.cast(self._placement, self.kernel.dtype)
        return ops.reshape(ops.matmul(self.kernel, placement), self._dense_shape)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        kernel = ops.cast(self.dense_kernel, x.dtype)
        return ops.conv(x, kernel, padding="valid", data_format="channels_last") + self.bias

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, _ = input_shape
        sides = [side and side - self.kernel_size + 1 for side in (height, width)]
        if any(side is not None and side < 1 for side in sides):
            raise ValueError(
                f"The input is smaller than the kernel of {self.kernel_size}. "
                f"Received: input_shape={input_shape}"
            )
        return (batch, *sides, len(self.connections))

    def get_config(self) -> dict:
        config = {"connections": self.connections, "kernel_size": self.kernel_size}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="kerasnets")
class EuclideanRBF(keras.layers.Layer):
    """Squared distances to fixed codes: ``y_i = sum_j (x_j - code_ij)²``; the smallest wins.

    Args:
        codes: For each class its code, a list of numbers as long as the input.

    Input shape: (N, D). Output shape: (N, len(codes)). Weights: none that train.

    Source: LeCun et al. 1998, equation 7.
    """

    def __init__(self, codes: Sequence[Sequence[float]], **kwargs) -> None:
        super().__init__(**kwargs)
        self.codes = [[float(value) for value in code] for code in codes]

    def build(self, input_shape: tuple) -> None:
        if input_shape[-1] != len(self.codes[0]):
            raise ValueError(
                f"`codes` are of length {len(self.codes[0])}. Received: input_shape={input_shape}"
            )
        self.code_matrix = self.add_weight(
            shape=(len(self.codes), len(self.codes[0])),
            initializer=lambda shape, dtype: ops.convert_to_tensor(self.codes, dtype=dtype),
            trainable=False,
            name="codes",
        )

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        codes = ops.convert_to_tensor(self.code_matrix)
        # |x - c|² = |x|² - 2 x.c + |c|², without a tensor of (N, classes, D).
        square = ops.sum(x * x, axis=-1, keepdims=True)
        return square - 2.0 * ops.matmul(x, ops.transpose(codes)) + ops.sum(codes * codes, axis=-1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], len(self.codes))

    def get_config(self) -> dict:
        return {**super().get_config(), "codes": self.codes}
