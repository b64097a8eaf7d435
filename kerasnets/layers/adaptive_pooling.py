"""Pooling to an output of a fixed size."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class AdaptiveAveragePooling2D(keras.layers.Layer):
    """Averages windows that are as large as it takes for an output of a fixed size.

    Along an axis of n pixels, window i of m reaches from floor(i n / m) to ceil((i + 1) n / m):
    windows may overlap, and an input smaller than the output is repeated. (Keras has such a layer
    since 3.13; on TensorFlow it does not take inputs of a single pixel.)

    Args:
        output_size: Height and width of the output.

    Input shape: (N, H, W, C), H and W known. Output shape: (N, output_size, output_size, C).

    >>> x = keras.ops.reshape(keras.ops.arange(14, dtype="float32"), (1, 14, 1, 1))
    >>> pooled = AdaptiveAveragePooling2D(4)(x)
    >>> keras.ops.convert_to_numpy(pooled)[0, :, 0, 0].tolist()
    [1.5, 4.5, 8.5, 11.5]

    Source: torch.nn.AdaptiveAvgPool2d.
    """

    def __init__(self, output_size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.output_size = output_size

    def build(self, input_shape: tuple) -> None:
        if None in input_shape[1:3]:
            raise ValueError(
                f"{self.name}: the input's height and width must be known. "
                f"Received: input_shape={input_shape}"
            )

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        rows, columns = (self._windows(side, x.dtype) for side in x.shape[1:3])
        return keras.ops.einsum("nhwc,ih,jw->nijc", x, rows, columns)

    def _windows(self, side: int, dtype: str) -> keras.KerasTensor:
        """(output_size, side): each row holds the weights of one window, which add to one."""
        size = self.output_size
        windows = [(i * side // size, -(-(i + 1) * side // size)) for i in range(size)]
        weights = [
            [(start <= pixel < end) / (end - start) for pixel in range(side)]
            for start, end in windows
        ]
        return keras.ops.convert_to_tensor(weights, dtype=dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self.output_size, self.output_size, input_shape[3])

    def get_config(self) -> dict:
        return {**super().get_config(), "output_size": self.output_size}
