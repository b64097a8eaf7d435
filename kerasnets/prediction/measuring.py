"""The figures of a model of any kind on a split, from its answers on the image files."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from kerasnets.data.sources.base import Dataset, Split
from kerasnets.errors import UserError, shown
from kerasnets.evaluation.labels import relabelled
from kerasnets.evaluation.metrics import Metrics, measure
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable
from kerasnets.prediction.predictor import answers
from kerasnets.prediction.sources import Item


def measured(
    model: ImageModel,
    split: Split,
    class_names: Sequence[str],
    *,
    name: str = "test",
    real: Sequence[Sequence[int]] | None = None,
) -> Metrics:
    """The figures of a model on a split, as `kerasnets.evaluation.evaluate` finds a network's.

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
    task = model.facts.get("task", "classification")
    if task != "classification":
        raise UserError(f"The model's task is {task}; evaluate the run that it was exported from.")
    found = enumerate(split.records.files())
    probabilities = np.empty((split.size, len(class_names)), np.float32)
    at = 0
    for batch in answers(model, (Item(split.name(index), image) for index, image in found)):
        for item, answer in batch:
            if isinstance(answer, Unreadable):
                raise answer.error(item.name)
            probabilities[at] = _checked(model, answer, class_names)
            at += 1
    # A probability that is too small for its type is not zero.
    smallest = np.finfo(np.float32).tiny
    logits = np.log(np.maximum(probabilities, smallest))
    return measure(name, logits, split.labels, real=real)


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
