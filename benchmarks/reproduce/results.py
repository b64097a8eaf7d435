"""What trainings of the targets found: a line of JSON for each seed."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from benchmarks.records import append, commit, read, today
from kerasnets.runs import Run
from kerasnets.runs.environment import machine, read_environment

FOLDER = pathlib.Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one training found.

    Attributes:
        seed: The seed.
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
    """What was found of a target, by seed: of each the last."""
    found = {each.seed: each for each in read(FOLDER / f"{target}.jsonl", Outcome)}
    return tuple(found[seed] for seed in sorted(found))


def outcome(folder: pathlib.Path, seed: int) -> Outcome:
    """What a run found, to the end or until now."""
    run = Run.load(folder)
    history, figures = run.history(), run.metrics()
    last = read_environment(folder)[-1]
    validation = [100 * float(each) for each in history.get("val_accuracy", ())]
    best = max(range(len(validation)), key=validation.__getitem__) if validation else None
    return Outcome(
        seed=seed,
        accuracy=round(100 * float(figures["top1"]), 2) if figures else None,  # pyright: ignore[reportArgumentType]
        best_validation=None if best is None else (round(validation[best], 2), best + 1),
        epochs=len(history.get("epoch", ())),
        seconds=round(float(sum(history.get("seconds", ())))),
        machine=machine(),
        versions={name: last[name] for name in ("kerasnets", "keras", "tensorflow", "numpy")},
        commit=commit(),
        day=today(),
        curve=tuple(round(100 * (1 - float(each)), 3) for each in history.get("accuracy", ())),
    )
