"""Shortcuts of residual networks."""

from __future__ import annotations

from typing import Literal

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class ZeroPadShortcut(keras.layers.Layer):
    """Option A: every `strides`-th pixel, and channels of zeros up to `filters`; no parameters.

    Args:
        filters: Channels of the output, at least those of the input.
        strides: Of the subsampling.
        placement: ``"split"`` puts half of the zeros before the channels and half after, as the
            published CIFAR checkpoints have it; ``"append"`` puts all of them after, as
            fb.resnet.torch does. The shapes of a checkpoint do not tell which it was trained with.

    Input shape: (N, H, W, C). Output shape: (N, ceil(H / strides), ceil(W / strides), filters).

    Source: He et al. 2015, arXiv 1512.03385, section 3.3 (A).
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        placement: Literal["split", "append"] = "split",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if placement not in ("split", "append"):
            raise ValueError(f"placement must be 'split' or 'append'. Received: {placement!r}")
        self.filters = filters
        self.strides = strides
        self.placement = placement

    def build(self, input_shape: tuple) -> None:
        if input_shape[-1] > self.filters:
            raise ValueError(
                f"`filters` must be at least the input's channels, {input_shape[-1]}. "
                f"Received: filters={self.filters}"
            )

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        zeros = self.filters - x.shape[-1]
        before = zeros // 2 if self.placement == "split" else 0
        x = x[:, :: self.strides, :: self.strides, :]
        return keras.ops.pad(x, [[0, 0], [0, 0], [0, 0], [before, zeros - before]])

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        sides = (side and -(-side // self.strides) for side in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> dict:
        config = {
            "filters": self.filters,
            "strides": self.strides,
            "placement": self.placement,
        }
        return {**super().get_config(), **config}
