"""The figures of a model of any kind on a split, from its answers on the image files."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnets.data.sources.base import Dataset, Split
from kerasnets.errors import UserError, shown
from kerasnets.evaluation.labels import relabelled
from kerasnets.evaluation.tasks import Figures, figures_of_logits
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable
from kerasnets.prediction.predictor import answers
from kerasnets.prediction.sources import Item
from kerasnets.tasks import task_of


def measured(
    model: ImageModel,
    split: Split,
    class_names: Sequence[str],
    *,
    name: str = "test",
    real: Sequence[Sequence[int]] | None = None,
) -> Figures:
    """The figures of a model on a split, as `kerasnets.evaluation.evaluate` finds a network's.

    They are those of the task that the model tells.

    Args:
        model: Answers.
        split: Image files, whose labels are indices of the model's classes.
        class_names: Names of these classes.
        name: Name of the split.
        real: ReaL labels of each image, see `kerasnets.evaluation.labels.real_labels`.

    Raises:
        UserError: When an image cannot be read, or the model has other classes.
    """
    if not split.size:
        raise UserError(f"The split {name} has no images.")
    task = task_of(str(model.facts.get("task", "classification")))
    found = enumerate(split.records.files())
    said = np.empty((split.size, len(class_names)), np.float32)
    at = 0
    for batch in answers(model, (Item(split.name(index), image) for index, image in found)):
        for item, answer in batch:
            if isinstance(answer, Unreadable):
                raise answer.error(item.name)
            said[at] = answer.scores if answer.numbers else _checked(model, answer, class_names)
            at += 1
    more: dict[str, Any] = {} if real is None else {"real": real}
    thresholds: Any = model.facts.get("thresholds", ())
    return figures_of_logits(task, name, _LOGITS[task.activation](said), split, thresholds, **more)


def _log(probabilities: np.ndarray) -> np.ndarray:
    # A probability that is too small for its type is not zero.
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))


# From answers back to logits, by the activation that has made them.
_LOGITS = {
    "softmax": _log,
    "sigmoid": lambda said: _log(said) - _log(1 - said),
    "linear": lambda said: said,
}


def with_labels_of(
    model: ImageModel, dataset: Dataset, split: Split, labels: pathlib.Path | None = None
) -> tuple[Split, tuple[str, ...]]:
    """A split with the model's class indices, and the names of the model's classes.

    Args:
        model: Answers. Where it does not tell its classes they are taken for the data set's.
        dataset: The data set, whose classes are found among the model's by their names.
        split: Its split.
        labels: A file that says which index each class has, see
            `kerasnets.evaluation.labels.relabelled`.

    Raises:
        UserError: When the model lacks one of the data set's classes.
    """
    names, theirs = dataset.class_names, model.class_names
    if labels is not None:
        if theirs is None:
            raise UserError("--labels needs a model that tells its classes; a server does not.")
        return relabelled(split, names, labels, len(theirs))
    if theirs is None or theirs == names:
        return split, names
    index = {name: label for label, name in enumerate(theirs)}
    missing = [name for name in names if name not in index]
    if missing or len(index) < len(theirs):
        raise UserError(
            f"The model has the classes {shown(list(theirs))}; {dataset.name} has "
            f"{shown(list(names))}. --labels FILE says which index each has in the model."
        )
    if not split.one_class:
        order = [names.index(name) for name in theirs if name in names]
        if len(order) < len(theirs):
            raise UserError(
                f"The model answers on {shown(list(theirs))}; {dataset.name} has "
                f"{shown(list(names))}."
            )
        return dataclasses.replace(split, labels=split.labels[:, order]), theirs
    table = np.array([index[name] for name in names], np.int32)
    return dataclasses.replace(split, labels=table[split.labels]), theirs


def _checked(model: ImageModel, answer: Answer, class_names: Sequence[str]) -> np.ndarray:
    """The probabilities of an answer that is about these classes."""
    if len(answer.probabilities) != len(class_names):
        raise UserError(
            f"The model answers on {len(answer.probabilities)} classes; the data have "
            f"{len(class_names)}."
        )
    best = class_names[int(np.argmax(answer.probabilities))]
    # Who tells all classes was asked before.
    if model.class_names is None and answer.classes[0] != best:
        raise UserError(
            f"The model answers {answer.classes[0]!r} where the data's classes have {best!r}: it "
            "has other classes, or the same in another order."
        )
    return answer.probabilities
