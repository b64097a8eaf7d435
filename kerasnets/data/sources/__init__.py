"""Data sets by one word: ``digits``, a TFDS name, ``folder:PATH`` and others, see `load`."""

from __future__ import annotations

import dataclasses
import inspect
import os
from typing import Any

import numpy as np

# Each module registers its source.
from kerasnets.data.sources import arrays, folders, hugging_face, manifests, tfds, tfrecords
from kerasnets.data.sources.base import SOURCES, Dataset, Source, Split
from kerasnets.data.sources.splitting import (
    with_fold,
    with_test,
    with_validation,
    without_unlabelled,
)
from kerasnets.errors import UserError
from kerasnets.tasks import TASKS, TaskName, task_of

__all__ = [
    "Dataset",
    "Split",
    "arrays",
    "folders",
    "hugging_face",
    "load",
    "manifests",
    "tfds",
    "tfrecords",
]


def load(
    source: str,
    *,
    data_dir: str | os.PathLike | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
    task: TaskName = "classification",
    fold: tuple[int, int] | None = None,
) -> Dataset:
    """Loads a data set by one word.

    Args:
        source: ``"digits"`` (inside scikit-learn, no download); ``"folder:PATH"`` with
            ``PATH/{train,val|validation|test}/CLASS/*`` or ``PATH/CLASS/*``; ``"tfds:NAME"`` or
            just the name of a TFDS data set, such as ``"mnist"``; ``"manifest:FILE"``, CSV or
            JSON lines of path, label and split; ``"records:PATH"``, what `write_tfrecords` wrote;
            ``"hf:NAME"`` with the library `datasets`; or what a plug-in has registered by
            `register_source`. Paths may begin with ``gs://``.
        data_dir: Where TFDS keeps its data; its own default otherwise.
        test_fraction: Fraction of the images that is held out where a source has no splits, in
            (0, 1).
        validation_fraction: Fraction of the training images that becomes ``validation`` where the
            source has none, in [0, 1).
        task: What the labels are for: ``"classification"``, one class for each image;
            ``"multilabel"``, several or none; ``"regression"``, numbers. The latter two need a
            source that has such labels, as manifests do.
        fold: A fold of a cross-validation, from 1, and the number of folds: what it leaves out
            becomes ``test``.

    Raises:
        UserError: When there is no such source, or it holds nothing to learn from.
    """
    fractions = {"test_fraction": test_fraction, "validation_fraction": validation_fraction}
    for name, value in fractions.items():
        if not 0 <= value < 1:
            raise UserError(f"{name} must be in [0, 1). Received: {value}.")
    found, rest = source_of(source, task)
    dataset = _of_task(found, rest, data_dir, task)
    if fold is None:
        dataset = with_test(dataset, test_fraction)
    else:
        dataset = with_fold(dataset, fold[1], fold[0])
    dataset = without_unlabelled(dataset)
    return with_validation(dataset, validation_fraction)


def _of_task(
    source: Source, rest: str, data_dir: str | os.PathLike | None, task: TaskName
) -> Dataset:
    """The data set of a source, whose labels are those of the task."""
    more: dict[str, Any] = {"task": task} if _takes_task(source) else {}
    dataset = dataclasses.replace(source(rest, data_dir, **more), task=task)
    for name, split in dataset.splits.items():
        one = split.one_class
        if one != (task == "classification"):
            raise UserError(
                f"{dataset.name}, split {name}: the task {task} needs {TASKS[task].labels} for "
                f"each image. Found: {'one class' if one else 'several numbers'} for each."
            )
        if task == "multilabel" and not np.isin(split.labels, (0, 1)).all():
            raise UserError(f"{dataset.name}, split {name}: labels must be 0 or 1.")
    return dataset


def _takes_task(source: Source) -> bool:
    return "task" in inspect.signature(source).parameters


def source_of(source: str, task: str = "classification") -> tuple[Source, str]:
    """What loads the data set of a word, and what stands behind the source's name; loads nothing.

    Raises:
        UserError: When there is no such source, or it has no labels for the task.
    """
    found, rest = _found(source)
    if task_of(task).name != "classification" and not _takes_task(found):
        raise UserError(
            f"The images of {source!r} have one class each; the task {task} needs "
            f"{TASKS[task].labels} for each, as manifest:FILE has them."
        )
    return found, rest


def _found(source: str) -> tuple[Source, str]:
    kind, _, rest = source.partition(":")
    found, usage = SOURCES.get(kind) or (None, "")
    if found and (":" in usage) == bool(rest):
        return found, rest
    if found or rest or os.sep in source or not source:
        *most, last = (usage for _, usage in SOURCES.all().values())
        raise UserError(f"Unknown data set {source!r}. Expected {', '.join(most)} or {last}.")
    return tfds.tfds, source
