"""The gate of highway networks."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class HighwayGate(keras.layers.Layer):
    """Lets through a fraction T of the transformed signal and the rest of the input.

    ``y = H * T + x * (1 - T)`` with ``T = sigmoid(gate)``. The layers that compute H and the gate
    stand in front of this one and have their own weights.

    Input shape: ``[x, H, gate]``, three tensors of one shape. Output shape: the same.

    >>> x, transformed, closed = ops.ones((1, 2)), ops.zeros((1, 2)), ops.full((1, 2), -100.0)
    >>> ops.convert_to_numpy(HighwayGate()([x, transformed, closed])).tolist()
    [[1.0, 1.0]]

    Source: Srivastava, Greff, Schmidhuber 2015, arXiv 1505.00387, equation 3.
    """

    def build(self, input_shape: list[tuple]) -> None:
        if len({tuple(shape) for shape in input_shape}) > 1:
            raise ValueError(
                "The input, the transformed signal and the gate must be of one shape. "
                f"Received: input_shape={input_shape}"
            )

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        x, transformed, gate = inputs
        gate = ops.sigmoid(gate)
        return transformed * gate + x * (1 - gate)

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        return input_shape[0]
