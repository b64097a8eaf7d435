"""Local response normalisation, in both of its conventions."""

from __future__ import annotations

from typing import Literal

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the sum of squares over its neighbouring channels.

    ``b_i = a_i / (k + A * sum_j a_j²)^beta``, j from ``i - size // 2`` to ``i + size // 2``;
    channels that do not exist count as zero.

    Args:
        size: Channels in a window, n in the paper: odd.
        k: Added to the sum, above zero.
        alpha: Weight of the sum, not below zero.
        beta: The power.
        alpha_convention: ``"sum"`` has A = alpha, as in the paper and TensorFlow; ``"mean"`` has
            A = alpha / size, as in Caffe and torch.

    Input shape: (N, H, W, C), or any with the channels last. Output shape: the same.

    Source: Krizhevsky, Sutskever, Hinton 2012, section 3.3.
    """

    def __init__(
        self,
        size: int = 5,
        k: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        alpha_convention: Literal["sum", "mean"] = "sum",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"`size` must be odd and positive. Received: size={size}")
        if k <= 0:
            raise ValueError(f"`k` must be above zero. Received: k={k}")
        if alpha < 0:
            raise ValueError(f"`alpha` must not be below zero. Received: alpha={alpha}")
        if alpha_convention not in ("sum", "mean"):
            raise ValueError(
                "`alpha_convention` must be 'sum' or 'mean'. "
                f"Received: alpha_convention={alpha_convention!r}"
            )
        self.size = size
        self.k = k
        self.alpha = alpha
        self.beta = beta
        self.alpha_convention = alpha_convention

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        # Half precision cannot tell 2 from 2 + 1e-4 * a², nor hold the squares.
        exact = keras.backend.result_type(x.dtype, "float32")
        weight = self.alpha if self.alpha_convention == "sum" else self.alpha / self.size
        sums = self._window_sums(ops.square(ops.cast(x, exact)))
        # Twice as fast as a power on CPU.
        scale = ops.exp(-self.beta * ops.log(self.k + weight * sums))
        return x * ops.cast(scale, x.dtype)

    def _window_sums(self, squares: keras.KerasTensor) -> keras.KerasTensor:
        """Sums over the windows of channels, by matrix product with a band of ones.

        A product over all channels wastes most of its work on zeros, so the channels are cut into
        blocks, each with the neighbours that its windows reach into.
        """
        channels = squares.shape[-1]
        reach = min(self.size // 2, channels)
        block = _block_size(channels, reach)
        blocks = ops.reshape(squares, (-1, channels // block, block))
        before = ops.pad(blocks[:, :-1, block - reach :], [[0, 0], [1, 0], [0, 0]])
        after = ops.pad(blocks[:, 1:, :reach], [[0, 0], [0, 1], [0, 0]])
        offset = ops.arange(block + 2 * reach)[:, None] - ops.arange(block)
        band = ops.cast(ops.logical_and(offset >= 0, offset <= 2 * reach), squares.dtype)
        sums = ops.matmul(ops.concatenate([before, blocks, after], axis=-1), band)
        return ops.reshape(sums, ops.shape(squares))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        config = {
            "size": self.size,
            "k": self.k,
            "alpha": self.alpha,
            "beta": self.beta,
            "alpha_convention": self.alpha_convention,
        }
        return {**super().get_config(), **config}


def _block_size(channels: int, reach: int) -> int:
    """The largest part of the channels, of 16 to 64, that a window reaches no further than."""
    sizes = range(max(16, reach), 65)
    return max((size for size in sizes if channels % size == 0), default=channels)
