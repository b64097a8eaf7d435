"""Grouped convolution that trains fast everywhere."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasnets")
class GroupedConv2D(keras.layers.Conv2D):
    """``keras.layers.Conv2D`` with ``groups``, computed as one convolution for each group.

    Weights, shapes and values are those of ``Conv2D``.
    """

    # TensorFlow has no grouped convolution on CPU. Keras then compiles each with XLA, which trains
    # 10 times slower (TF 2.21) and puts a function into exports that servers may refuse to run.
    def convolution_op(
        self, inputs: keras.KerasTensor, kernel: keras.KerasTensor
    ) -> keras.KerasTensor:
        convolve = super().convolution_op
        parts = zip(
            ops.split(inputs, self.groups, axis=-1),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate([convolve(x, part) for x, part in parts], axis=-1)
