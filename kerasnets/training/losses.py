"""The losses: LeNet-5's, and cross-entropy with or without smoothed or mixed labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasnets.config.recipe_fields import Recipe


@keras.saving.register_keras_serializable(package="kerasnets")
class MAPCriterion(keras.losses.Loss):
    """LeNet-5's loss: cross-entropy against one more class, of constant penalty `j`.

    ``mean(y_D + log(exp(-j) + sum_i exp(-y_i)))``, where y are the penalties, the negated logits,
    and D the true class.

    Args:
        j: Penalty of the class of all that is no character; positive. Half the smallest
            squared distance between two of the codes keeps it inside their spacing.
        class_weights: What the loss of an image of each class is multiplied by; 1 if not given.

    Source: LeCun et al. 1998, equation 9.
    """

    def __init__(
        self,
        j: float = 12.0,
        class_weights: Sequence[float] = (),
        name: str = "map_criterion",
        **kwargs,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.j = j
        self.class_weights = tuple(class_weights)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        true = ops.sum(y_pred * ops.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype), axis=-1)
        rubbish = ops.full_like(y_pred[:, :1], -self.j)
        losses = ops.logsumexp(ops.concatenate([y_pred, rubbish], axis=-1), axis=-1) - true
        return _weighted(losses, y_true, self.class_weights)

    def get_config(self) -> dict:
        return {**super().get_config(), "j": self.j, "class_weights": self.class_weights}


@keras.saving.register_keras_serializable(package="kerasnets")
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy of labels and logits, against ``(1 - e) * target + e / classes``.

    Args:
        smoothing: e above, in [0, 1).
        class_weights: What the loss of an image of each class is multiplied by; 1 if not given.
            A mixed image has the mixture of its classes' weights.

    Labels are integers, (N,), or distributions over the classes, (N, classes), as mixup makes
    them.

    Source: Szegedy et al. 2015, arXiv 1512.00567, section 7.
    """

    def __init__(
        self,
        smoothing: float = 0.0,
        class_weights: Sequence[float] = (),
        name: str = "cross_entropy",
        **kwargs,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing
        self.class_weights = tuple(class_weights)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        return _weighted(self._losses(y_true, y_pred), y_true, self.class_weights)

    def _losses(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        # Keras declares no types.
        losses: Any = keras.losses
        soft = is_soft(y_true)
        if not soft and not self.smoothing:
            labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
            return losses.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        classes = y_pred.shape[-1]
        if not soft:
            labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
            y_true = ops.one_hot(labels, classes, dtype=y_pred.dtype)
        return losses.categorical_crossentropy(
            y_true, y_pred, from_logits=True, label_smoothing=self.smoothing
        )

    def get_config(self) -> dict:
        own = {"smoothing": self.smoothing, "class_weights": self.class_weights}
        return {**super().get_config(), **own}


def is_soft(labels: Any) -> bool:
    """Whether labels are distributions over the classes, (N, classes), and not integers, (N,)."""
    return len(labels.shape) == 2 and labels.shape[-1] != 1


def _weighted(losses: Any, labels: Any, class_weights: Sequence[float]) -> Any:
    """Losses of images, (N,), times the weights of their classes."""
    if not class_weights:
        return losses
    table: Any = ops.convert_to_tensor(class_weights, losses.dtype)
    if is_soft(labels):
        return losses * ops.sum(ops.cast(labels, losses.dtype) * table, axis=-1)
    return losses * ops.take(table, ops.reshape(ops.cast(labels, "int32"), (-1,)))


def build_loss(
    recipe: Recipe, *, training: bool = True, class_weights: Sequence[float] = ()
) -> keras.losses.Loss:
    """The recipe's loss of labels and logits.

    Args:
        training: For measuring, labels are not smoothed and classes not weighted.
        class_weights: The weight of each class, by label; none for equal ones.
    """
    weights = class_weights if training else ()
    if recipe.loss == "map":
        return MAPCriterion(class_weights=weights)
    return CrossEntropy(recipe.label_smoothing if training else 0.0, weights)
