"""Shortcuts of residual networks."""

from __future__ import annotations

import sys
from typing import Literal

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class ResidualAdd(keras.layers.Layer):
    """Adds a shortcut and a residual: ``y = shortcut + scale * residual``.

    Args:
        scale: Factor of the residual.
        shortcut: ``"identity"`` adds the shortcut as it comes: from the block's input, or from a
            projection in front of this layer. ``"zero_pad"`` is option A, which has no parameters:
            the shortcut is subsampled and gets channels of zeros, as many as the residual has more.
        shortcut_strides: Stride of option A's subsampling.
        subsample: At stride s, ``"stride"`` takes every s-th pixel; ``"average"`` takes the
            average of s x s pixels, as the authors of stochastic depth do.
        zero_placement: ``"split"`` puts half of the zeros before the channels and half after, as
            the widely used CIFAR checkpoints have it; ``"append"`` puts all of them after, as
            fb.resnet.torch does. The shapes of a checkpoint do not tell which it was trained with.

    Input shape: [(N, H, W, C), (N, ceil(H / s), ceil(W / s), D)], the shortcut first; s is
    `shortcut_strides`, and D is C unless the shortcut is padded. Output shape: the residual's.

    >>> add = ResidualAdd(shortcut="zero_pad", shortcut_strides=2)
    >>> y = add([ops.ones((1, 4, 4, 2)), ops.ones((1, 2, 2, 4))])
    >>> ops.convert_to_numpy(y)[0, 0, 0].tolist()
    [1.0, 2.0, 2.0, 1.0]

    Source: He et al. 2015, arXiv 1512.03385, equation 1 and section 3.3 (A). The scale: Szegedy et
    al. 2016, arXiv 1602.07261, section 3.3.
    """

    def __init__(
        self,
        scale: float = 1.0,
        shortcut: Literal["identity", "zero_pad"] = "identity",
        shortcut_strides: int = 1,
        subsample: Literal["stride", "average"] = "stride",
        zero_placement: Literal["split", "append"] = "split",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        _check_choice("shortcut", shortcut, "identity", "zero_pad")
        _check_choice("subsample", subsample, "stride", "average")
        _check_choice("zero_placement", zero_placement, "split", "append")
        if shortcut_strides < 1 or (shortcut_strides > 1 and shortcut == "identity"):
            raise ValueError(
                "`shortcut_strides` must be 1, or more where the shortcut is padded. "
                f"Received: shortcut_strides={shortcut_strides}, shortcut={shortcut!r}"
            )
        self.scale = scale
        self.shortcut = shortcut
        self.shortcut_strides = shortcut_strides
        self.subsample = subsample
        self.zero_placement = zero_placement

    def build(self, input_shape: list[tuple]) -> None:
        # Keras walks a graph by recursion, twice for each addition: the 600 blocks of ResNet-1202
        # exceed Python's limit of 1000 whenever a model is made of them, also by Keras' own
        # loading and cloning, which call nothing of ours around the walk.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 3000))
        shortcut, residual = input_shape
        if self.shortcut == "zero_pad":
            sides = (side and -(-side // self.shortcut_strides) for side in shortcut[1:-1])
            shortcut = (shortcut[0], *sides, max(shortcut[-1], residual[-1]))
        pairs = zip(shortcut, residual, strict=True)
        if any(one != other for one, other in pairs if one is not None and other is not None):
            raise ValueError(
                f"The shortcut arrives as {shortcut} at a residual of {residual}. "
                f"Received: input_shape={input_shape}, shortcut={self.shortcut!r}, "
                f"shortcut_strides={self.shortcut_strides}"
            )

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        shortcut, residual = inputs
        if self.shortcut == "zero_pad":
            shortcut = self._padded(shortcut, residual.shape[-1])
        return shortcut + (residual if self.scale == 1 else residual * self.scale)

    def _padded(self, x: keras.KerasTensor, channels: int) -> keras.KerasTensor:
        if self.shortcut_strides > 1:
            # The mean of one pixel is that pixel: on a CPU TensorFlow pools, gradient included, in
            # a twentieth of the time of a slice with strides. "same" leaves an odd side's last
            # block smaller; even sides are not padded. Keras 3.15 on JAX needs the strides said.
            strides = self.shortcut_strides
            window = strides if self.subsample == "average" else 1
            x = ops.average_pool(x, window, strides, "same", data_format="channels_last")
        zeros = channels - x.shape[-1]
        before = zeros // 2 if self.zero_placement == "split" else 0
        return ops.pad(x, [[0, 0], [0, 0], [0, 0], [before, zeros - before]])

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        return input_shape[1]

    def get_config(self) -> dict:
        config = {
            "scale": self.scale,
            "shortcut": self.shortcut,
            "shortcut_strides": self.shortcut_strides,
            "subsample": self.subsample,
            "zero_placement": self.zero_placement,
        }
        return {**super().get_config(), **config}


def _check_choice(name: str, value: object, *choices: str) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` must be {' or '.join(map(repr, choices))}. Received: {value!r}")
