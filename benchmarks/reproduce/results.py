"""What trainings of the targets found: a line of JSON for each seed."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.records import append, commit, read, today
from benchmarks.reproduce.targets import TARGETS
from kerasnets.runs import Run
from kerasnets.runs.environment import machine, read_environment

FOLDER = pathlib.Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one training found.

    Attributes:
        seed: The seed.
        words: What `kerasnets` was told.
        accuracy: Top-1 accuracy of the last epoch's network on the test images, in %; ``None`` of
            a training that was stopped before.
        best_validation: Highest accuracy of an epoch on held-out training images, in %, and which
            epoch that was; ``None`` where none are held out.
        epochs: How many were trained.
        seconds: What the epochs took together.
        machine: Model and number of cores of the processor.
        versions: Of kerasnets, Keras, TensorFlow and NumPy.
        commit: The commit of kerasnets.
        day: When it ended.
        curve: The error of each epoch on its training images, in %, in training mode.
    """

    seed: int
    words: tuple[str, ...]
    accuracy: float | None
    best_validation: tuple[float, int] | None
    epochs: int
    seconds: float
    machine: str
    versions: dict[str, str]
    commit: str
    day: str
    curve: tuple[float, ...]

    def __str__(self) -> str:
        if self.accuracy is None:
            return f"stopped after epoch {self.epochs}"
        return f"{self.accuracy:.2f} %"

    def append(self, target: str) -> None:
        """Adds it to the file of its target."""
        append(FOLDER / f"{target}.jsonl", self)


def known(target: str) -> tuple[Outcome, ...]:
    """What a target's command found, by seed: of each the last."""
    words = TARGETS[target].words
    return tuple(each for each in _last(target) if each.words == tuple(words(each.seed)))


def earlier(target: str) -> tuple[Outcome, ...]:
    """What other commands found that were a target's before, by seed."""
    words = TARGETS[target].words
    return tuple(each for each in _last(target) if each.words != tuple(words(each.seed)))


def _last(target: str) -> list[Outcome]:
    """The last of each command, by seed; one that came to its end before one that was stopped."""
    found: dict[tuple[str, ...], Outcome] = {}
    for each in read(FOLDER / f"{target}.jsonl", Outcome):
        before = found.get(each.words)
        if before is None or before.accuracy is None or each.accuracy is not None:
            found[each.words] = each
    return sorted(found.values(), key=lambda each: each.seed)


def outcome(folder: pathlib.Path, seed: int, words: Sequence[str], made_of: str = "") -> Outcome:
    """What a run found, to the end or until now.

    Args:
        folder: Of the run.
        seed: Its seed.
        words: What `kerasnets` was told.
        made_of: The commit of kerasnets; the present one if not given.
    """
    run = Run.load(folder)
    history, figures = run.history(), run.metrics()
    last = read_environment(folder)[-1]
    validation = [100 * float(each) for each in history.get("val_accuracy", ())]
    best = max(range(len(validation)), key=validation.__getitem__) if validation else None
    return Outcome(
        seed=seed,
        words=tuple(words),
        accuracy=round(100 * float(figures["top1"]), 2) if figures else None,  # pyright: ignore[reportArgumentType]
        best_validation=None if best is None else (round(validation[best], 2), best + 1),
        epochs=len(history.get("epoch", ())),
        seconds=round(float(sum(history.get("seconds", ())))),
        machine=machine(),
        versions={name: last[name] for name in ("kerasnets", "keras", "tensorflow", "numpy")},
        commit=made_of or commit(),
        day=today(),
        curve=tuple(round(100 * (1 - float(each)), 3) for each in history.get("accuracy", ())),
    )
