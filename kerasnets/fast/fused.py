"""Parts of a training step as single kernels of TensorFlow, with the results that Keras has.

Keras' batch norm and optimizers are made of simple operations, each a pass over the feature maps or
the weights. Where XLA does not join them, memory takes longer for that than the cores compute, and
in small networks starting them takes longer than either.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable

import keras
import tensorflow as tf

from kerasnets.fast.tracing import replaced

BatchNorm = keras.layers.BatchNormalization


def fused_batch_norms(layers: Iterable[BatchNorm]) -> contextlib.AbstractContextManager:
    """Lets batch norms compute by TensorFlow's kernel in the step that is traced inside."""
    return replaced(
        filter(_fits, layers), "call", lambda layer, own: functools.partial(_normalized, layer, own)
    )


def _fits(layer: BatchNorm) -> bool:
    """Whether the kernel does what the layer does: over (N, H, W), on one device."""
    last = layer.axis in (-1, 3) and layer.input_spec.ndim == 4
    return last and not layer.synchronized and not layer.renorm


def _normalized(
    layer: BatchNorm,
    call: object,
    inputs: tf.Tensor,
    training: bool | None = None,
    mask: tf.Tensor | None = None,
) -> tf.Tensor:
    """What `layer.call` returns, moving statistics included."""
    if not training or not layer.trainable or mask is not None:
        return call(inputs, training=training, mask=mask)
    channels = inputs.shape[-1]
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
    """

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable | keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        if not self.momentum or tf.distribute.has_strategy():
            super().update_step(gradient, variable, learning_rate)
            return
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=_handle(variable),
            accum=_handle(self.momentums[self._get_variable_index(variable)]),
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, whose step is one kernel instead of some fifteen for each weight.

    On several devices, where each variable stands for several, Keras takes the step.
    """

    def _backend_update_step(
        self, grads: list[tf.Tensor], trainable_variables: list, learning_rate: tf.Tensor
    ) -> None:
        # Once for all variables; Keras has nothing public that comes before the first of them.
        step = tf.cast(self.iterations.value + 1, tf.float32)
        self._powers = tf.pow(float(self.beta_1), step), tf.pow(float(self.beta_2), step)
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable | keras.Variable,
        learning_rate: tf.Tensor,
    ) -> None:
        if tf.distribute.has_strategy() or variable.dtype != tf.float32:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        beta1_power, beta2_power = self._powers
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=beta1_power,
            beta2_power=beta2_power,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


def _handle(variable: tf.Variable | keras.Variable) -> tf.Tensor:
    # Keras' optimizers see the variables of TensorFlow in `fit`, those of Keras elsewhere.
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
