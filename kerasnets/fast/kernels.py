"""Layers for inference that TensorFlow computes in fewer passes over memory than Keras' own.

On other backends they are simple operations, which the compilers of those join.
"""

from __future__ import annotations

from collections.abc import Collection

import keras
from keras import ops

from kerasnets.fast.rewriting import copied, rebuilt
from kerasnets.fast.winograd import in_tiles, is_faster_in_tiles
from kerasnets.lazy import tf

# 1 / sqrt(variance + epsilon) is 1 with them: both and their sum are exact in float32.
EPSILON = 2.0**-10
VARIANCE = 1 - EPSILON


def with_inference_kernels(network: keras.Model, names: Collection[str]) -> keras.Model:
    """A network for inference whose layers are those below, where `names` has their tricks.

    Args:
        network: A functional model in which each layer is used once; it is not changed.
        names: Tricks; ``"bias"`` and ``"winograd"`` count.
    """

    def replacement(layer: keras.layers.Layer) -> keras.layers.Layer:
        if "winograd" in names and is_faster_in_tiles(layer):
            return in_tiles(layer)
        if "bias" in names and type(layer) is keras.layers.Conv2D and layer.use_bias:
            return copied(layer, kind=BiasedConv2D)
        return copied(layer)

    return rebuilt(network, replacement)


@keras.saving.register_keras_serializable(package="kerasnets")
class BiasedConv2D(keras.layers.Conv2D):
    """``Conv2D`` with a bias that TensorFlow computes in one step with a ReLU behind it.

    TensorFlow fuses convolution, ``BiasAdd`` and ``Relu`` on CPUs; Keras adds the bias with a plain
    sum, which is left alone.
    """

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        x = self.convolution_op(inputs, self.kernel)
        return self.activation(tf.nn.bias_add(x, ops.convert_to_tensor(self.bias)))


@keras.saving.register_keras_serializable(package="kerasnets")
class ChannelAffine(keras.layers.Layer):
    """``factor * x + term`` with one of each for a channel: what batch norm is in inference.

    TensorFlow computes it in one step with a ReLU behind it.

    Input and output shape: (N, H, W, C).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1:]
        self.factor = self.add_weight(name="factor", shape=channels, initializer="ones")
        self.term = self.add_weight(name="term", shape=channels, initializer="zeros")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        factor, term = (ops.cast(weight.value, "float32") for weight in (self.factor, self.term))
        if keras.backend.backend() != "tensorflow":
            x = ops.cast(inputs, "float32") * factor + term
            return ops.cast(x, self.compute_dtype)
        # The one operation of this kind that TensorFlow joins with a ReLU.
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=factor,
            offset=term,
            mean=tf.zeros(factor.shape),
            variance=tf.fill(factor.shape, VARIANCE),
            epsilon=EPSILON,
            is_training=False,
        ).y

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict:
        # Keras 3.15 refuses to guess it where the precision was given as an object.
        return super().get_config()
