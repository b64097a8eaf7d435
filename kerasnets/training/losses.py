"""The losses, and the figure of each epoch: what a network is trained by, for each task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasnets.config.recipe_fields import Recipe
from kerasnets.tasks import Task


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


@keras.saving.register_keras_serializable(package="kerasnets")
class BinaryCrossEntropy(keras.losses.Loss):
    """The mean over the classes of their cross-entropies, each of its own yes or no.

    Args:
        smoothing: e in the targets ``(1 - e) * label + e / 2``, in [0, 1).
        class_weights: What the loss of each class is multiplied by where it is present; 1 if not
            given.

    Labels are (N, classes), in [0, 1].
    """

    def __init__(
        self,
        smoothing: float = 0.0,
        class_weights: Sequence[float] = (),
        name: str = "binary_cross_entropy",
        **kwargs,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing
        self.class_weights = tuple(class_weights)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        labels: Any = ops.cast(y_true, y_pred.dtype)
        targets = labels * (1 - self.smoothing) + 0.5 * self.smoothing
        # log(1 + exp(-x)) and log(1 + exp(x)): what a yes and a no cost.
        yes, no = targets * ops.softplus(-y_pred), (1 - targets) * ops.softplus(y_pred)
        if self.class_weights:
            yes = yes * ops.convert_to_tensor(self.class_weights, y_pred.dtype)
        return ops.mean(yes + no, axis=-1)

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
    smoothing = recipe.label_smoothing if training else 0.0
    weights = class_weights if training else ()
    losses: dict[str, Callable[[], keras.losses.Loss]] = {
        "cross_entropy": lambda: CrossEntropy(smoothing, weights),
        "map": lambda: MAPCriterion(class_weights=weights),
        "binary_cross_entropy": lambda: BinaryCrossEntropy(smoothing, weights),
        "squared_error": keras.losses.MeanSquaredError,
        "huber": keras.losses.Huber,
    }
    return losses[recipe.loss]()


class Accuracy(keras.metrics.SparseCategoricalAccuracy):
    """Top-1 accuracy; a mixed label counts as its largest part."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        labels = ops.argmax(y_true, axis=-1) if is_soft(y_true) else y_true
        super().update_state(labels, y_pred, sample_weight)


class PrecisionRecallArea(keras.metrics.AUC):
    """Mean over the classes of the areas under their precision-recall curves, at 200 thresholds.

    It is near the mean average precision, which needs all scores at once. A mixed label counts
    from 1/2 on.
    """

    def __init__(self, classes: int, name: str) -> None:
        super().__init__(
            curve="PR", multi_label=True, num_labels=classes, from_logits=True, name=name
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(ops.cast(y_true >= 0.5, "float32"), y_pred, sample_weight)


class R2(keras.metrics.Metric):
    """The mean over the numbers of their coefficients of determination; at most 1.

    Keras' own has its variables only after the first batch, too late for a checkpoint.
    """

    def __init__(self, outputs: int, name: str) -> None:
        super().__init__(name=name)
        # Of each number: how many, their sum, that of their squares, that of the squared errors.
        self.sums = self.add_variable((4, outputs), "zeros", name="sums")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true, predicted = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        rows = ops.stack([ops.ones_like(true), true, true**2, (true - predicted) ** 2])
        if sample_weight is not None:
            rows = rows * ops.reshape(ops.cast(sample_weight, "float32"), (1, -1, 1))
        self.sums.assign_add(ops.sum(rows, axis=1))

    def result(self) -> Any:
        count, total, squares, errors = ops.unstack(self.sums, axis=0)
        spread = squares - total**2 / ops.maximum(count, 1.0)
        return ops.mean(ops.where(spread > 0, 1 - errors / ops.maximum(spread, 1e-12), 0.0))


def build_measure(task: Task, outputs: int) -> keras.metrics.Metric:
    """The task's figure of each epoch, of labels and logits.

    Args:
        task: The task.
        outputs: Number of classes or numbers.
    """
    measures: dict[str, Callable[[], keras.metrics.Metric]] = {
        "accuracy": lambda: Accuracy(name=task.measure),
        "auc_pr": lambda: PrecisionRecallArea(outputs, task.measure),
        "r2": lambda: R2(outputs, task.measure),
    }
    return measures[task.measure]()
