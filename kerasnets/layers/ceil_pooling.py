"""Pooling that Keras does not have."""

from __future__ import annotations

from typing import Literal

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class CeilPooling2D(keras.layers.Layer):
    """Pooling without padding whose output size is rounded up: Caffe's, and torch's ceil_mode.

    The last windows may reach beyond the image; what is not there counts neither as a maximum
    nor in an average. ``padding="same"`` agrees on even sizes (pool size 3, strides 2) alone.

    Args:
        pool_size: Side of the windows.
        strides: Between windows, at most `pool_size`.
        mode: ``"max"`` or ``"average"``.

    Input shape: (N, H, W, C). Output shape: (N, H', W', C) with
    H' = ceil((H - pool_size) / strides) + 1.
    """

    def __init__(
        self,
        pool_size: int = 3,
        strides: int = 2,
        mode: Literal["max", "average"] = "max",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if mode not in ("max", "average"):
            raise ValueError(f"`mode` must be 'max' or 'average'. Received: mode={mode!r}")
        if not 1 <= strides <= pool_size:
            raise ValueError(
                f"`strides` must be in 1 to pool_size={pool_size}. Received: strides={strides}"
            )
        self.pool_size = pool_size
        self.strides = strides
        self.mode = mode

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        windows = {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "data_format": "channels_last",
        }
        if self.mode == "max":
            if all(self._same_pads_one_after(side) for side in x.shape[1:3]):
                return ops.max_pool(x, padding="same", **windows)  # without a padded copy
            return ops.max_pool(self._padded(x, -float("inf")), **windows)
        # Zeros in an average are made up for by the fraction of the window that is there. (Keras
        # 3.15's own "same" counts a repeated edge into averages on torch.)
        there = self._padded(ops.ones_like(x[:1, :, :, :1]), 0)
        return ops.average_pool(self._padded(x, 0), **windows) / ops.average_pool(there, **windows)

    def _same_pads_one_after(self, side: int | None) -> bool:
        if side is None or self.strides == 1:
            return False
        return (-(-side // self.strides) - 1) * self.strides + self.pool_size - side == 1

    def _padded(self, x: keras.KerasTensor, value: float) -> keras.KerasTensor:
        """Padded at the bottom and right; where the size is not known, as far as may be needed."""
        after = [
            self.strides - 1 if side is None else (self.pool_size - side) % self.strides
            for side in x.shape[1:3]
        ]
        pads = [[0, 0], [0, after[0]], [0, after[1]], [0, 0]]
        return ops.pad(x, pads, constant_values=value) if any(after) else x

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        if any(side is not None and side < self.pool_size for side in (height, width)):
            raise ValueError(
                f"The input is smaller than the window of {self.pool_size}. "
                f"Received: input_shape={input_shape}"
            )
        sides = (
            side and -(-(side - self.pool_size) // self.strides) + 1 for side in (height, width)
        )
        return (batch, *sides, channels)

    def get_config(self) -> dict:
        config = {"pool_size": self.pool_size, "strides": self.strides, "mode": self.mode}
        return {**super().get_config(), **config}
