"""From a recipe to the optimizer of a network.

The papers' weight decay is an L2 penalty: ``decay * w`` is added to the gradient, so it goes
through the momentum, and through the division of RMSProp and Adam. Keras' ``weight_decay``, as in
AdamW, is decoupled: it shrinks the weights by ``learning rate * decay * w`` beside the update. For
SGD without momentum both are the same. Keras' ``regularizers.L2(x)`` is the penalty ``x * w**2``,
whose gradient is ``2 * x * w``: half the papers' number gives the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasnets import private
from kerasnets.config.recipe_fields import Recipe
from kerasnets.fast.fused import SGD, Adam
from kerasnets.registry import registration
from kerasnets.training.schedules import RecipeSchedule


class _ByRecipe(private.SeesSummedGradients, keras.optimizers.Optimizer):
    """Goes in front of an optimizer's class and adds what the papers' recipes need.

    Args:
        decay: Weight decay of the variables in `decayed`.
        decoupled: Shrink the weights beside the update instead of adding to the gradient.
        decayed: Paths of the variables that decay; all by default.
        rates: Factor of the learning rate by the variable's path; 1 by default.
        clip_norm: Upper limit of the norm of all gradients together, the penalty's included.
    """

    def __init__(
        self,
        *args,
        decay: float = 0.0,
        decoupled: bool = False,
        decayed: tuple[str, ...] | None = None,
        rates: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.decay = decay
        self.decoupled = decoupled
        self.decayed = decayed
        self.rates = rates
        self.clip_norm = clip_norm

    def build(self, variables: list[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        decayed = {v.path for v in variables} if self.decayed is None else set(self.decayed)
        rates = self.rates or {}
        self._decay = [self.decay if v.path in decayed else 0.0 for v in variables]
        self._rates = [rates.get(v.path, 1.0) for v in variables]

    def with_summed(self, gradients: private.Gradients) -> private.Gradients:
        pairs = [(self._penalized(gradient, v), v) for gradient, v in gradients]
        if self.clip_norm is None:
            return pairs
        squares = [ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient, _ in pairs]
        norm = ops.sqrt(ops.sum(ops.stack(squares)))
        factor = self.clip_norm / ops.maximum(norm, self.clip_norm)
        return [(gradient * ops.cast(factor, gradient.dtype), v) for gradient, v in pairs]

    def _penalized(
        self, gradient: keras.KerasTensor, variable: keras.Variable
    ) -> keras.KerasTensor:
        decay = self._decay[private.index_of(self, variable)]
        if self.decoupled or not decay:
            return gradient
        return gradient + ops.cast(decay * variable, gradient.dtype)

    def update_step(
        self,
        gradient: keras.KerasTensor,
        variable: keras.Variable,
        learning_rate: keras.KerasTensor,
    ) -> None:
        index = private.index_of(self, variable)
        rate = ops.cast(learning_rate, variable.dtype)
        if self._rates[index] != 1.0:
            rate = rate * self._rates[index]
        if self.decoupled and self._decay[index]:
            self.assign_sub(variable, variable * (rate * self._decay[index]))
        super().update_step(gradient, variable, rate)

    def get_config(self) -> dict:
        own = ("decay", "decoupled", "decayed", "rates", "clip_norm")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable(package="kerasnets")
class SGDByRecipe(_ByRecipe, SGD):
    """SGD with what the papers' recipes need."""


@keras.saving.register_keras_serializable(package="kerasnets")
class RMSpropByRecipe(_ByRecipe, keras.optimizers.RMSprop):
    """RMSProp with what the papers' recipes need."""


@keras.saving.register_keras_serializable(package="kerasnets")
class AdamByRecipe(_ByRecipe, Adam):
    """Adam and AdamW with what the papers' recipes need."""


def build_optimizer(
    recipe: Recipe, steps_per_epoch: int, network: keras.Model, *, fused: bool = False
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with its learning rate, for the weights of a network.

    Args:
        recipe: The recipe to follow.
        steps_per_epoch: Updates in an epoch.
        network: The network whose weights it will train.
        fused: Update by the kernels of `kerasnets.fast.fused`, where there is one.

    Returns:
        An optimizer; with the plateau schedule its learning rate is a variable, otherwise a
        schedule. For float16 it is one that scales the loss.
    """
    common = {
        "decay": recipe.weight_decay,
        "decayed": decayed_weights(network, recipe.decay_on),
        "rates": stage_rates(network, recipe.stage_decay),
        "clip_norm": recipe.clip_norm,
    }
    plateau = recipe.schedule == "plateau"
    rate = recipe.peak_learning_rate if plateau else RecipeSchedule(recipe, steps_per_epoch)
    if recipe.optimizer in ("adam", "adamw"):
        decoupled = recipe.optimizer == "adamw"
        optimizer = AdamByRecipe(rate, epsilon=recipe.epsilon, decoupled=decoupled, **common)
    elif recipe.optimizer == "rmsprop":
        optimizer = RMSpropByRecipe(
            rate, rho=recipe.rho, momentum=recipe.momentum, epsilon=recipe.epsilon, **common
        )
    else:
        nesterov = recipe.optimizer == "nesterov"
        momentum = float(recipe.momentum)
        optimizer = SGDByRecipe(rate, momentum=momentum, nesterov=nesterov, **common)
    if isinstance(optimizer, (SGD, Adam)):
        optimizer.fused = fused
    if recipe.precision == "mixed_float16":
        return LossScale(optimizer)
    return optimizer


class LossScale(keras.optimizers.LossScaleOptimizer):
    """Scales the loss, and skips a step in which the gradients of any device overflow.

    Keras asks the first device alone, as if gradients were summed before; they are summed after.
    """

    def check_finite(self, grads: list) -> Any:
        finite: Any = super().check_finite(grads)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return finite
        fine = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(finite, tf.float32))
        return fine >= context.num_replicas_in_sync


def decayed_weights(network: keras.Model, on: str) -> tuple[str, ...]:
    """Paths of the weights that decay.

    Args:
        network: The network that has them.
        on: ``"kernels"``: whatever has more than one axis, so no biases and no batch norms;
            ``"all"``; ``"not_depthwise"``: kernels but the depthwise ones (Howard et al. 2017,
            arXiv 1704.04861, section 3.2).
    """
    depthwise = {
        weight.path
        for layer in network.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
        for weight in layer.weights
    }
    return tuple(
        weight.path
        for weight in network.trainable_weights
        if on == "all"
        or (len(weight.shape) > 1 and not (on == "not_depthwise" and weight.path in depthwise))
    )


def stage_rates(network: keras.Model, decay: float) -> dict[str, float] | None:
    """The factor of each weight's learning rate: smaller from stage to stage backwards.

    Args:
        network: It bears the name of its registration, whose stages count.
        decay: Factor from each stage to the one before; everything behind the last stage has 1.

    Source: Howard, Ruder 2018, arXiv 1801.06146, section 3.2 (discriminative fine-tuning).
    """
    if decay == 1.0:
        return None
    built = {layer.name for layer in network.layers}
    # Options may leave a stage out.
    ends = [end for end in registration(network.name).stages.values() if end in built]
    rates: dict[str, float] = {}
    for number, end in enumerate(ends):
        for layer in keras.Model(network.input, network.get_layer(end).output).layers:
            for weight in layer.weights:
                rates.setdefault(weight.path, decay ** (len(ends) - number))
    return rates
