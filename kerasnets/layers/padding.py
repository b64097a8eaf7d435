"""Padding that max pooling needs and Keras does not have."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class PadMinimum(keras.layers.Layer):
    """Pads with the smallest number of the dtype, so that no padded value wins a maximum.

    Args:
        padding: Pixels on each side.

    Input shape: (N, H, W, C). Output shape: (N, H + 2 padding, W + 2 padding, C).
    """

    def __init__(self, padding: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        side = [self.padding, self.padding]
        return keras.ops.pad(x, [[0, 0], side, side, [0, 0]], constant_values=-float("inf"))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        sides = (side and side + 2 * self.padding for side in (height, width))
        return (batch, *sides, channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "padding": self.padding}
