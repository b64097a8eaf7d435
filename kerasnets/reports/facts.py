"""What is known of a run without its network: configuration, history, evaluation, versions."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import os
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnets.errors import UserError
from kerasnets.evaluation import multilabel, regression
from kerasnets.evaluation.results import (
    MISTAKES,
    NamedMistake,
    Scores,
    fractions,
    read_confusion,
    read_mistakes,
    read_rows,
    read_scores,
)
from kerasnets.runs.environment import read_environment
from kerasnets.runs.history import read_history
from kerasnets.runs.run import CONFIG, Run
from kerasnets.weights.files import open_weights

# The figures of each class, or number, by the task.
TABLES = {"multilabel": multilabel.CLASSES, "regression": regression.NUMBERS}


@dataclass(frozen=True)
class ClassRow:
    """The figures of a class; ``None`` where there are none."""

    name: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_area: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Facts:
    """A run and its evaluation, as the files in its folder tell.

    Attributes:
        run: The run.
        name: What it is called beside others.
        metrics: Its ``metrics.json``.
        scores: Its ``scores.npz``; ``None`` of an earlier version's evaluation.
        names: Names of the images that were evaluated; none without scores.
    """

    run: Run
    name: str
    metrics: Mapping[str, Any]
    scores: Scores | None
    names: tuple[str, ...]

    @classmethod
    def of(cls, run: Run, name: str = "") -> Facts:
        """The facts of a finished and evaluated run.

        Raises:
            UserError: When it has not finished or has no evaluation, or a file is damaged.
        """
        run.check_finished()
        metrics = run.metrics()
        plain = "confusion matrix" in run.task.refuses
        fields: dict[str, type] = {"loss": float, "images": int, "split": str}
        fields |= {} if plain else {"top1": float}
        if not all(isinstance(metrics.get(name), kind) for name, kind in fields.items()):
            raise UserError(
                f"The run in {str(run.folder)!r} has no evaluation: there are no figures in "
                f"{str(run.folder / 'metrics.json')!r}; {evaluate_again(run)} writes it."
            )
        found = None if plain else read_scores(run.folder, len(run.class_names))
        scores, names = (found[0], found[2]) if found else (None, ())
        facts = cls(run, name or run.folder.name, metrics, scores, names)
        # A damaged file is told now, not after TensorFlow has loaded.
        own = ("table",) if plain else ("confusion", "mistakes")
        for each in ("history", *own, "parameters", "sessions"):
            getattr(facts, each)
        if plain:
            return facts
        classes = set(run.class_names)
        for mistake in facts.mistakes:
            if not {mistake.true, mistake.predicted} <= classes:
                raise UserError(
                    f"{str(run.folder / MISTAKES)!r} is damaged: {mistake.true!r} or "
                    f"{mistake.predicted!r} is none of the run's classes."
                )
        return facts

    @functools.cached_property
    def history(self) -> list[dict[str, float]]:
        """The rows of ``history.csv``."""
        return read_history(self.run.folder / "history.csv")

    @functools.cached_property
    def confusion(self) -> np.ndarray:
        """(classes, classes) counts; rows are true labels."""
        classes = len(self.run.class_names)
        if self.scores is not None:
            return self.scores.confusion(classes)
        return read_confusion(self.run.folder, classes)

    @functools.cached_property
    def mistakes(self) -> list[NamedMistake]:
        """The misclassified images, the most confident first."""
        return read_mistakes(self.run.folder)

    @functools.cached_property
    def classes(self) -> list[ClassRow]:
        """A row for each class."""
        counts, columns = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        right = np.diag(self.confusion)
        figures = (
            fractions(right, columns), fractions(right, counts),
            fractions(2 * right, counts + columns),
        )  # fmt: skip
        rows = []
        for label, name in enumerate(self.run.class_names):
            areas = [math.nan, math.nan]
            if self.scores is not None:
                areas = [self.scores.roc_area(label), self.scores.average_precision(label)]
            found = [float(each[label]) for each in figures] + areas
            known = [None if math.isnan(each) else each for each in found]
            rows.append(ClassRow(name, int(counts[label]), *known))
        return rows

    @functools.cached_property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """Of a task without a confusion matrix the figures of each class, or number: columns, rows.

        Raises:
            UserError: When the file is damaged or not there.
        """
        path = self.run.folder / TABLES[self.run.task.name]
        header, *rows = read_rows(path) or [[]]
        if {len(row) for row in rows} != {len(header)}:
            raise UserError(f"{str(path)!r} is damaged: its rows differ in length.")
        return header, rows

    @functools.cached_property
    def parameters(self) -> int:
        """Number of the network's weights, those that are not trained included."""
        with open_weights(self.run.weights_path) as file:
            return sum(math.prod(tensor.shape) for tensor in file.tensors.values())

    @property
    def seconds(self) -> float | None:
        """Time of all epochs, in seconds; ``None`` where it was not recorded."""
        return training_seconds(self.history)

    @functools.cached_property
    def sessions(self) -> list[dict[str, Any]]:
        """The processes that trained it; none for a run of an earlier version."""
        return read_environment(self.run.folder)

    @property
    def settings(self) -> dict[str, str]:
        """The run's configuration by name, as text; what was left empty is left out."""
        return _settings(dataclasses.asdict(self.run.config), ("recipe", "extensions"))

    @property
    def recipe(self) -> dict[str, str]:
        """The values of its recipe by name, as text."""
        return _settings(dataclasses.asdict(self.run.recipe))

    @property
    def extended(self) -> list[str]:
        """How it was extended, a phrase each."""
        return [
            f"after epoch {each.after}, from {each.old_epochs} to {each.new_epochs} epochs"
            for each in self.run.config.extensions
        ]


def evaluate_again(run: Run) -> str:
    """The command that writes a run's evaluation into its folder."""
    folder = shlex.quote(str(run.folder))
    return f"kerasnets evaluate {folder} --out {folder}"


def training_seconds(history: Sequence[Mapping[str, float]]) -> float | None:
    """Time of all epochs, in seconds; ``None`` where it was not recorded."""
    if not history or not all("seconds" in row for row in history):
        return None
    return sum(row["seconds"] for row in history)


def began(run: Run) -> datetime.datetime:
    """When a run began, in local time: as recorded, or the age of its configuration."""
    sessions = read_environment(run.folder)
    try:
        found = datetime.datetime.fromisoformat(sessions[0]["began"])
    except (IndexError, KeyError, TypeError, ValueError):
        found = datetime.datetime.fromtimestamp((run.folder / CONFIG).stat().st_mtime, datetime.UTC)
    return found.astimezone()


def duration(seconds: float | None) -> str:
    """Seconds as a person says them; nothing where they are not known."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def distinct_names(folders: Sequence[pathlib.Path]) -> list[str]:
    """Names of run folders: as short as they can be and still differ."""
    folders = [folder.absolute() for folder in folders]
    depth = 1
    while True:
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)) or depth > max(len(f.parts) for f in folders):
            return names
        depth += 1


def without_folder(names: Sequence[str]) -> list[str]:
    """The names of images without the folder that all of them lie in."""
    # Names need be no paths.
    shared = os.path.commonprefix(names)  # noqa: RUF071
    shared = shared[: max(shared.rfind("/"), shared.rfind(os.sep)) + 1]
    return [name.removeprefix(shared) for name in names]


def _settings(values: Mapping[str, Any], without: Sequence[str] = ()) -> dict[str, str]:
    found = {}
    for name, value in values.items():
        if name in without or value is None or value == () or value == {}:
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {each}" for key, each in value.items())
        if isinstance(value, (tuple, list)):
            value = ", ".join(map(str, value))
        if isinstance(value, bool):
            value = "yes" if value else "no"
        found[name.replace("_", " ")] = str(value)
    return found
