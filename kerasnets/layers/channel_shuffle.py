"""The channel shuffle of ShuffleNet."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class ChannelShuffle(keras.layers.Layer):
    """Deals the channels of each group out to all groups.

    With n = C / groups: ``out[i * groups + j] = in[j * n + i]``, i.e. reshape to (groups, n),
    transpose, flatten.

    Args:
        groups: Groups of the convolution in front of this layer.
        inverse: Whether the permutation goes the other way, as in the code that the authors
            released: ``out[j * n + i] = in[i * groups + j]``.

    Input shape: (N, H, W, C), where C is a multiple of `groups`. Output shape: that of the input.

    >>> shuffle = ChannelShuffle(2)
    >>> ops.convert_to_numpy(shuffle(ops.reshape(ops.arange(6.0), (1, 1, 1, 6)))).ravel().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]

    Source: Zhang, Zhou, Lin, Sun 2017, arXiv 1707.01083, section 3.1.
    """

    def __init__(self, groups: int, inverse: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        if groups < 1:
            raise ValueError(f"`groups` must be at least 1. Received: groups={groups}")
        self.groups = groups
        self.inverse = inverse

    def build(self, input_shape: tuple) -> None:
        if input_shape[-1] % self.groups:
            raise ValueError(
                "The channels must be a multiple of `groups`. "
                f"Received: input_shape={input_shape}, groups={self.groups}"
            )

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        _, height, width, channels = ops.shape(x)
        rows = channels // self.groups if self.inverse else self.groups
        x = ops.reshape(x, (-1, height, width, rows, channels // rows))
        x = ops.transpose(x, (0, 1, 2, 4, 3))
        return ops.reshape(x, (-1, height, width, channels))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "groups": self.groups, "inverse": self.inverse}
