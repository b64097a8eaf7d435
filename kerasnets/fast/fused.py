"""Parts of a training step as single kernels of TensorFlow, with the results that Keras has.

Keras' batch norm and optimizers are made of simple operations, each a pass over the feature maps or
the weights. Where XLA does not join them, memory takes longer for that than the cores compute, and
in small networks starting them takes longer than either.

Measured on 2 cores of a Zen 4: a step of `resnet50` with 8 images took 1.3 s in place of 1.6 with
fused batch norms, one of `vgg16` 0.1 s less with fused SGD, since its weights take 553 MB.
"""

from __future__ import annotations

from typing import Any

import keras

from kerasnets import private
from kerasnets.fast.rewriting import Layer, SameLayer, input_shape
from kerasnets.lazy import tf


def can_be_fused(layer: Layer) -> bool:
    """Whether TensorFlow has a kernel for it: batch norm of (N, H, W, C) on one device."""
    # A subclass may compute something else.
    if type(layer) is not keras.layers.BatchNormalization:
        return False
    last = len(input_shape(layer)) == 4 and layer.axis in (-1, 3)
    return last and not layer.synchronized and not layer.renorm


class FusedBatchNormalization(SameLayer):
    """A `keras.layers.BatchNormalization` computed by one kernel forwards and one backwards."""

    layer: keras.layers.BatchNormalization

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        super().__init__(layer, autocast=True)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        layer = self.layer
        if not training or not layer.trainable:
            return layer(inputs, training=training)
        channels = input_shape(self)[-1]
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(layer.gamma) if layer.scale else tf.ones(channels),
            offset=tf.convert_to_tensor(layer.beta) if layer.center else tf.zeros(channels),
            mean=tf.zeros(0),
            variance=tf.zeros(0),
            epsilon=layer.epsilon,
            is_training=True,
        )
        # The kernel divides by one less than the number of values; Keras' moving variance does not.
        values = tf.cast(tf.size(inputs) // channels, tf.float32)
        variance *= tf.maximum(values - 1, 1) / values
        for average, found in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            average.assign(average * layer.momentum + found * (1.0 - layer.momentum))
        return outputs


class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD`, whose step with momentum is one pass over a weight.

    On several devices, where each variable stands for several, Keras takes the step.

    Attributes:
        fused: Whether to do so.
    """

    fused = True

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable | keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        if not self.fused or not self.momentum or tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=_handle(variable),
            accum=_handle(self.momentums[private.index_of(self, variable)]),
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, whose step is one kernel instead of some fifteen for each weight.

    On several devices, where each variable stands for several, Keras takes the step.

    Attributes:
        fused: Whether to do so.
    """

    fused = True

    def apply(self, grads: list[tf.Tensor], trainable_variables: list | None = None) -> None:
        if self.fused:
            # Once for all variables.
            iterations: Any = self.iterations
            step = tf.cast(iterations.value + 1, tf.float32)
            self._powers = tf.pow(float(self.beta_1), step), tf.pow(float(self.beta_2), step)
        super().apply(grads, trainable_variables)

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable | keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        if not self.fused or tf.distribute.has_strategy() or variable.dtype != tf.float32:
            super().update_step(gradient, variable, learning_rate)
            return
        index = private.index_of(self, variable)
        momentums, velocities = private.moments_of(self)
        beta1_power, beta2_power = self._powers
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(momentums[index]),
            v=_handle(velocities[index]),
            beta1_power=beta1_power,
            beta2_power=beta2_power,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


def _handle(variable: Any) -> tf.Tensor:
    # Keras' optimizers see the variables of TensorFlow in `fit`, those of Keras elsewhere.
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
