"""How the networks of each task are measured, and what is written of it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kerasnets.data.sources import Split
from kerasnets.evaluation import metrics, multilabel, regression, report
from kerasnets.evaluation.results import Table, softmax
from kerasnets.inputs import Preprocessing
from kerasnets.tasks import Task

if TYPE_CHECKING:
    import keras


class Figures(Protocol):
    """What an evaluation found, whatever the task; its text is one line."""

    @property
    def split(self) -> str:
        """Name of the split."""
        ...

    @property
    def images(self) -> int:
        """Number of images, each counted once."""
        ...

    @property
    def loss(self) -> float:
        """The loss that measures, without smoothing or weights."""
        ...

    def summary(self) -> dict[str, object]:
        """The figures of the whole split, ready for JSON."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """How a task is measured.

    Attributes:
        measure: Takes the split's name, logits (N, outputs), labels and options.
        write: Takes a folder, the figures, class names, the split, preprocessing and channels;
            returns the names of the files.
        answers: From figures, logits and class names to what the network said of each image.
        thresholds: From logits and labels of the validation to a threshold for each class.
    """

    measure: Callable[..., Any]
    write: Callable[..., tuple[str, ...]]
    answers: Callable[[Any, np.ndarray, tuple[str, ...]], Table]
    thresholds: Callable[[np.ndarray, np.ndarray], tuple[float, ...]] | None = None


def _written(write: Callable[..., tuple[str, ...]]) -> Callable[..., tuple[str, ...]]:
    """A report without pictures."""
    return lambda folder, found, names, split, *more: write(folder, found, names, split)


def _classes_said(figures: Any, logits: np.ndarray, names: tuple[str, ...]) -> Table:
    said = zip(figures.scores.labels, figures.scores.predicted, softmax(logits), strict=True)
    rows = (
        (names[true], names[predicted], *(f"{each:.6f}" for each in found))
        for true, predicted, found in said
    )
    return ("true", "predicted", *names), rows


EVALUATIONS = {
    "classification": Evaluation(metrics.measure, report.write_report, _classes_said),
    "multilabel": Evaluation(
        multilabel.measure,
        _written(multilabel.write_report),
        lambda figures, _, names: multilabel.answers(figures, names),
        multilabel.best_thresholds,
    ),
    "regression": Evaluation(
        regression.measure,
        _written(regression.write_report),
        lambda figures, _, names: regression.answers(figures, names),
    ),
}


def evaluate_task(
    task: Task,
    network: keras.Model,
    split: Split,
    preprocessing: Preprocessing,
    *,
    name: str = "test",
    thresholds: Sequence[float] = (),
    real: Sequence[Sequence[int]] | None = None,
    **how: Any,
) -> Figures:
    """The figures of a network on a split, those of its task.

    Args:
        task: What the network was trained for.
        network: Network of logits, of what the task's activation makes of them, or of numbers.
        split: Split of a `kerasnets.data.Dataset`.
        preprocessing: Preprocessing of the network.
        name: Name of the split.
        thresholds: Probability from which on each of several classes is answered.
        real: ReaL labels of each image.
        **how: Batch size, crops and scales, as of `kerasnets.evaluation.evaluate`.

    Raises:
        UserError: As `kerasnets.evaluation.evaluate`; or when the task cannot be measured so.
    """
    from kerasnets.evaluation.evaluator import logits_of_split  # loads Keras

    if how.get("crops", "centre") != "centre":
        task.check("crops")
    if real is not None:
        task.check("real")
    how["activation"] = task.activation
    logits = logits_of_split(network, split, preprocessing, name=name, **how)
    options: dict[str, Any] = {} if real is None else {"real": real}
    return figures_of_logits(task, name, logits, split, thresholds, **options)


def figures_of_logits(
    task: Task,
    name: str,
    logits: np.ndarray,
    split: Split,
    thresholds: Sequence[float] = (),
    **more: Any,
) -> Figures:
    """The figures of what a network said of a split, as `evaluate_task` gives them."""
    chosen = EVALUATIONS[task.name]
    options: dict[str, Any] = {"thresholds": thresholds} if chosen.thresholds else {}
    return chosen.measure(name, logits, split.labels, **options, **more)


def write_report(
    task: Task,
    folder: pathlib.Path,
    figures: Figures,
    class_names: tuple[str, ...],
    split: Split,
    preprocessing: Preprocessing,
    channels: int,
) -> tuple[str, ...]:
    """Writes the files of an evaluation; returns their names.

    Args:
        task: What was measured.
        folder: Folder of the files.
        figures: What `evaluate_task` found.
        class_names: A name for each class, or number, of the network.
        split: The split that was measured.
        preprocessing: Preprocessing of the network, which fits the pictures.
        channels: Channels of the network's input.
    """
    write = EVALUATIONS[task.name].write
    return write(folder, figures, class_names, split, preprocessing, channels)
