"""What differs between our training of a network and PyTorch's."""

from __future__ import annotations

import contextlib
import gc
import pathlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

# LLVM of Triton, which PyTorch's builds for CUDA bring, crashes where TensorFlow's came first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

import keras
import numpy as np
from safetensors.numpy import save_file

from benchmarks.peer_training.cases import CLASSES, EARLY, Case
from benchmarks.peer_training.results import (
    Compared,
    Differences,
    Outcome,
    Tensors,
    largest_difference,
)
from benchmarks.peer_training.trainers import (
    Ours,
    Theirs,
    computing_in,
    is_statistic,
    peer_network,
    state,
)
from benchmarks.records import today
from kerasnets.runs.environment import machine

# How far the control starts from the others: a unit in the last place of float32.
NEARBY = 1e-7


@dataclass(frozen=True)
class Training:
    """What a training went through.

    Attributes:
        losses: Of each step.
        gradients: Of the first step.
        first: Parameters and statistics after the first step.
        early: The same after `EARLY` steps, or the last.
        last: The same after the last.
    """

    losses: list[float]
    gradients: Tensors
    first: Tensors
    early: Tensors
    last: Tensors


def measure(case: Case) -> Outcome:
    """Trains a network by both, in float64 and in float32, and compares."""
    began = time.monotonic()
    network = peer_network(case)
    start = state(network)
    reference = _trained(lambda: Theirs(case, network, "float64"), case)

    def compared(make: Callable[[], Ours | Theirs]) -> Compared:
        return _compared(_trained(make, case), reference, start)

    def of_ours(dtype: str) -> Compared:
        with computing_in(dtype), tempfile.TemporaryDirectory() as folder:
            weights = pathlib.Path(folder, "weights.safetensors")
            save_file(start, weights)
            return compared(lambda: Ours(case, weights, dtype))

    return Outcome(
        network=case.network,
        project=case.project,
        side=case.side,
        batch=case.batch,
        steps=case.steps,
        losses=(reference.losses[0], reference.losses[-1]),
        nearby=compared(lambda: Theirs(case, network, "float64", NEARBY)),
        theirs_float32=compared(lambda: Theirs(case, network, "float32")),
        ours_float64=of_ours("float64"),
        ours_float32=of_ours("float32"),
        versions={
            name: metadata.version(name)
            for name in ("kerasnets", "keras", "tensorflow", "torch", case.project)
        },
        machine=machine(),
        day=today(),
        seconds=round(time.monotonic() - began),
    )


def _trained(make: Callable[[], Ours | Theirs], case: Case) -> Training:
    trainer, draw = make(), np.random.default_rng(0)
    losses, seen = [], []
    for number in range(case.steps):
        images = draw.integers(0, 256, (case.batch, case.side, case.side, 3), np.uint8)
        losses.append(trainer.step(images, draw.integers(0, CLASSES, case.batch)))
        if number == 0:
            gradients = trainer.gradients()
        if number in (0, EARLY - 1, case.steps - 1):
            seen.append(trainer.tensors())
    training = Training(losses, gradients, seen[0], seen[len(seen) // 2], seen[-1])
    # Else the next would be in memory beside it.
    del trainer
    keras.backend.clear_session()
    gc.collect()
    return training


def _compared(found: Training, reference: Training, start: Tensors) -> Compared:
    losses = [
        abs(ours - theirs) / abs(theirs)
        for ours, theirs in zip(found.losses, reference.losses, strict=True)
    ]
    gradients = largest_difference(found.gradients, reference.gradients)
    statistics = [name for name in start if is_statistic(name)]
    parameters = [name for name in start if not is_statistic(name)]

    def changes(names: list[str], *both: Tensors) -> float:
        return largest_difference(*({name: each[name] for name in names} for each in both), start)

    def after(steps: int, *both: Tensors) -> Differences:
        return Differences(
            loss=float(np.max(losses[:steps])),
            gradients=gradients,
            parameters=changes(parameters, *both),
            statistics=changes(statistics, *both) if statistics else None,
        )

    first = after(1, found.first, reference.first)
    if len(losses) == 1:
        return Compared(first=first, early=first, last=first)
    return Compared(
        first=first,
        early=after(EARLY, found.early, reference.early),
        last=after(len(losses), found.last, reference.last),
    )
