"""From a recipe to Keras' optimizer, schedule and loss."""

from __future__ import annotations

import keras
from keras import ops

from kerasnets.training.recipes import Recipe


@keras.saving.register_keras_serializable(package="kerasnets")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Climbs linearly from zero, then follows another schedule, counted from there.

    Args:
        schedule: What follows; its value at step 0 is the top of the climb.
        steps: Of the climb.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int
    ) -> None:
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step: int) -> keras.KerasTensor:
        step = ops.cast(step, "float32")
        climb = self.schedule(0) * (step + 1.0) / max(self.steps, 1)
        return ops.where(step < self.steps, climb, self.schedule(step - self.steps))

    def get_config(self) -> dict:
        return {
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "steps": self.steps,
        }

    @classmethod
    def from_config(cls, config: dict) -> WarmUp:
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["steps"])


def learning_rate(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The recipe's course of the learning rate, by step."""
    schedules = keras.optimizers.schedules
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    steps = max(1, recipe.epochs * steps_per_epoch - warmup)
    if recipe.schedule == "cosine":
        schedule = schedules.CosineDecay(recipe.learning_rate, steps)
    elif recipe.schedule == "step":
        boundaries = [round(share * steps) for share in recipe.milestones]
        values = [recipe.learning_rate / 10**k for k in range(len(boundaries) + 1)]
        schedule = schedules.PiecewiseConstantDecay(boundaries, values)
    elif recipe.schedule == "exponential":
        every = max(1, round(recipe.decay_epochs * steps_per_epoch))
        schedule = schedules.ExponentialDecay(
            recipe.learning_rate, every, recipe.decay_rate, staircase=True
        )
    else:
        schedule = schedules.PiecewiseConstantDecay([steps], [recipe.learning_rate] * 2)
    return WarmUp(schedule, warmup) if warmup else schedule


def _with_l2(optimizer: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """An optimizer that adds ``l2 * kernel`` to the gradient before its own rule.

    Keras' ``weight_decay`` is decoupled: it shrinks weights past the momentum. The papers' penalty
    goes through the momentum, like any gradient.
    """

    class WithL2(optimizer):
        def __init__(self, *args, l2: float = 0.0, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            self.l2 = l2

        def update_step(self, gradient, variable, learning_rate) -> None:
            if self.l2 and len(variable.shape) > 1:
                gradient = gradient + ops.cast(self.l2 * variable, gradient.dtype)
            super().update_step(gradient, variable, learning_rate)

        def get_config(self) -> dict:
            return {**super().get_config(), "l2": self.l2}

    WithL2.__name__ = f"{optimizer.__name__}WithL2"
    return keras.saving.register_keras_serializable(package="kerasnets")(WithL2)


SGDWithL2 = _with_l2(keras.optimizers.SGD)
RMSpropWithL2 = _with_l2(keras.optimizers.RMSprop)
AdamWithL2 = _with_l2(keras.optimizers.Adam)


def build_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with its learning-rate schedule."""
    schedule = learning_rate(recipe, steps_per_epoch)
    if recipe.optimizer == "adam":
        return AdamWithL2(schedule, l2=recipe.weight_decay)
    if recipe.optimizer == "rmsprop":
        # Szegedy et al. 2015, section 8: decay 0.9, epsilon 1.0.
        return RMSpropWithL2(
            schedule, rho=0.9, momentum=recipe.momentum, epsilon=1.0, l2=recipe.weight_decay
        )
    return SGDWithL2(
        schedule,
        momentum=recipe.momentum,
        nesterov=recipe.optimizer == "nesterov",
        l2=recipe.weight_decay,
    )


@keras.saving.register_keras_serializable(package="kerasnets")
class MAPCriterion(keras.losses.Loss):
    """LeNet-5's loss: cross-entropy against one more class, of constant penalty `j`.

    ``mean(y_D + log(exp(-j) + sum_i exp(-y_i)))``, where y are the penalties, the negated logits,
    and D the right class.

    Args:
        j: Penalty of the class of everything that is no character; positive. Half the smallest
            squared distance between two of the codes keeps it inside their spacing.

    Source: LeCun et al. 1998, equation 9.
    """

    def __init__(self, j: float = 12.0, name: str = "map_criterion", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.j = j

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        right = ops.sum(y_pred * ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype), axis=-1)
        rubbish = ops.full_like(y_pred[:, :1], -self.j)
        return ops.logsumexp(ops.concatenate([y_pred, rubbish], axis=-1), axis=-1) - right

    def get_config(self) -> dict:
        return {**super().get_config(), "j": self.j}


@keras.saving.register_keras_serializable(package="kerasnets")
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of integer labels and logits, with ``(1 - e) * one_hot + e / classes``.

    Source: Szegedy et al. 2015, arXiv 1512.00567, section 7.
    """

    def __init__(self, smoothing: float, name: str = "cross_entropy", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        return keras.losses.categorical_crossentropy(
            ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype),
            y_pred,
            from_logits=True,
            label_smoothing=self.smoothing,
        )

    def get_config(self) -> dict:
        return {**super().get_config(), "smoothing": self.smoothing}


def build_loss(recipe: Recipe) -> keras.losses.Loss:
    """The recipe's loss of integer labels and logits."""
    if recipe.loss == "map":
        return MAPCriterion()
    if recipe.label_smoothing:
        return SmoothedCrossEntropy(recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
