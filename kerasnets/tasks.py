"""What networks are trained for: what each task's labels are, and what cannot be done with it.

This table is the one place that says so. What computes a task is found by its name: its losses and
the figure of each epoch in `training.losses`, its evaluation in `evaluation.tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kerasnets.errors import UserError, unknown

TaskName = Literal["classification", "multilabel", "regression"]


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: Its name.
        labels: What an image's label is, in words.
        columns: What the network's outputs are called in the plural.
        losses: Values of a recipe's `loss` that go with it; the first is its own.
        activation: From logits to answers, a Keras activation.
        answers: What the answers are called.
        measure: The figure of each epoch, by which the validation decides; more is better.
        measured: What curves call it.
        refuses: Values of recipes, settings and commands that do not go with it, and why.
    """

    name: TaskName
    labels: str
    columns: str
    losses: tuple[str, ...]
    activation: Literal["softmax", "sigmoid", "linear"]
    answers: Literal["probabilities", "values"]
    measure: str
    measured: str
    refuses: Mapping[str, str]

    def check(self, what: str) -> None:
        """Raises a `UserError` where something cannot be done with the task."""
        if what in self.refuses:
            raise UserError(f"The task {self.name} takes no {what}: {self.refuses[what]}.")

    def check_settings(self, *settings: Any) -> None:
        """Raises a `UserError` where a recipe or a configuration does not go with the task.

        Args:
            *settings: Objects with values by name, of which a refused one must be empty.
        """
        for each in settings:
            loss = getattr(each, "loss", self.losses[0])
            if loss not in self.losses:
                raise UserError(
                    f"The task {self.name} takes the loss {' or '.join(self.losses)}. "
                    f"Received: loss={loss}."
                )
            for name, why in self.refuses.items():
                if value := getattr(each, name, None):
                    flag = f"--{name.replace('_', '-')}"
                    without = f" Give {flag} 0." if isinstance(value, int | float) else ""
                    raise UserError(
                        f"The task {self.name} takes no {name}: {why}. Received: "
                        f"{name}={value}.{without}"
                    )


_ONE = "an image has several labels or none"
_NUMBERS = "its labels are numbers"
_EXPLAINED = "explanations are of the one class that is predicted"
_ALL = {
    "real": "ReaL labels are classes of ImageNet",
    "crops": "the crops' probabilities of one class are averaged",
    "teacher": "the teacher's probabilities are those of one class",
}
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "classification",
            labels="one class",
            columns="classes",
            losses=("cross_entropy", "map"),
            activation="softmax",
            answers="probabilities",
            measure="accuracy",
            measured="accuracy",
            refuses={},
        ),
        Task(
            "multilabel",
            labels="several classes or none",
            columns="classes",
            losses=("binary_cross_entropy",),
            activation="sigmoid",
            answers="probabilities",
            measure="auc_pr",
            measured="area under precision and recall",
            refuses={
                **_ALL,
                "oversample": _ONE,
                "confusion matrix": _ONE,
                "top-k": _ONE,
                "compare": "its test is of top-1 accuracies",
                "explain": _EXPLAINED,
                "gradients": _EXPLAINED,
                "embeddings": "their colours are classes",
                "suspects": _ONE,
                "labels": _ONE,
            },
        ),
        Task(
            "regression",
            labels="one number or several",
            columns="numbers",
            losses=("squared_error", "huber"),
            activation="linear",
            answers="values",
            measure="r2",
            measured="R2",
            refuses={
                **_ALL,
                **dict.fromkeys(
                    ("label_smoothing", "mixup", "cutmix", "oversample", "class_weights",
                     "confusion matrix", "top-k", "compare", "suspects", "labels"), _NUMBERS,
                ),
                "explain": _EXPLAINED,
                "gradients": _EXPLAINED,
                "embeddings": "their colours are classes",
                "quantization to int8": "the export is judged by its best class",
            },
        ),
    )
}  # fmt: skip


def task_of(name: str) -> Task:
    """The task of a name.

    Raises:
        UserError: When there is no such task.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]
