"""What an export for devices says of itself: the names of its classes, and its preprocessing."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kerasnets.errors import UserError
from kerasnets.export.names import FACTS, LABELS
from kerasnets.files import parse_json
from kerasnets.inputs import Preprocessing
from kerasnets.prediction.pixels import activated
from kerasnets.prediction.prediction import Answer
from kerasnets.tasks import Task, task_of


class Description(NamedTuple):
    """What is needed to ask an export, and what else it tells.

    Attributes:
        class_names: By label.
        preprocessing: Preprocessing of the network.
        facts: All that ``model.json`` says.
        task: What the network was trained for.
    """

    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    facts: dict[str, Any]
    task: Task

    def answers(self, logits: np.ndarray) -> list[Answer]:
        """The answer in each row of logits, (N, classes)."""
        thresholds = self.facts.get("thresholds", ())
        rows = activated(logits, self.task)
        return [Answer.of(row, self.class_names, self.task, thresholds) for row in rows]


def description(path: pathlib.Path, inside: Mapping[str, str]) -> Description:
    """The description in a file, or that of the files beside it.

    Args:
        path: The export.
        inside: Texts in the file by name, as far as it has any.

    Raises:
        UserError: When there is none, or it is damaged.
    """
    try:
        labels, text = (inside.get(name) or _beside(path, name) for name in (LABELS, FACTS))
        facts = parse_json(text)
        given = {name: _plain(value) for name, value in facts["preprocessing"].items()}
        task = task_of(facts.get("task", "classification"))
        return Description(tuple(labels.splitlines()), Preprocessing(**given), facts, task)
    except OSError as error:
        raise UserError(
            f"{os.fspath(path)!r} does not tell its classes and its preprocessing, and there is no "
            f"{LABELS} with {FACTS} beside it; export the network with kerasnets export."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"The {FACTS} of {os.fspath(path)!r} is damaged: {error!r}.") from error


def _beside(path: pathlib.Path, name: str) -> str:
    return (path.parent / name).read_text(encoding="utf-8")


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
