"""Whether what was exported answers as the network does."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.tasks import TASKS, Task

# How far logits may be off, as a fraction of the largest one, by what the export computes in: half
# types have 11 and 8 bits of precision, and a network's layers add up. Int8 is judged by its best
# class instead.
LIMITS = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
# Fraction of the calibration images on which int8 must name the same class.
SAME_BEST = 0.9

Answer = Callable[[np.ndarray], np.ndarray]


def random_inputs(network: keras.Model, count: int = 4) -> np.ndarray:
    """Inputs as scaled images have them, (count, H, W, C) float32, always the same ones."""
    shape = (count, *network.input_shape[1:])
    return np.random.default_rng(0).standard_normal(shape, dtype="float32")


def random_pixels(network: keras.Model, count: int = 4) -> np.ndarray:
    """Raw pixels, (count, H, W, C) float32 in 0 to 255, always the same ones."""
    shape = (count, *network.input_shape[1:])
    return np.random.default_rng(0).integers(0, 256, shape).astype("float32")


def compare(
    expected: np.ndarray, found: np.ndarray, precision: str, task: Task = TASKS["classification"]
) -> dict[str, object]:
    """How far apart the logits and the probabilities of a network and its export are.

    Numbers have no probabilities, and each is compared by the largest of its own column, since
    they may have different units.

    Args:
        expected: Logits of the network, (N, classes).
        found: Logits of the export, (N, classes).
        precision: A key of `LIMITS`, or ``"int8"``.
        task: What the network was trained for.

    Returns:
        What ``model.json`` says of it.

    Raises:
        UserError: When they differ by more than is allowed, or are not finite.
    """
    if task.answers == "values":
        largest = np.maximum(np.abs(expected).max(axis=0), np.finfo("float32").tiny)
        numbers = "largest_relative_difference_of_numbers"
        report = {"inputs": len(expected), numbers: _largest((expected - found) / largest)}
        _check(numbers, report[numbers] <= LIMITS[precision], report, LIMITS[precision])
        return {**report, "limit": LIMITS[precision]}
    report = {
        "inputs": len(expected),
        "largest_difference_of_probabilities": _largest(_softmax(expected) - _softmax(found)),
        "largest_relative_difference_of_logits": _largest(expected - found) / _largest(expected),
        "same_best_class": float(np.mean(np.argmax(expected, 1) == np.argmax(found, 1))),
    }
    if precision == "int8":
        _check("same_best_class", report["same_best_class"] >= SAME_BEST, report, SAME_BEST)
        return {**report, "limit": SAME_BEST}
    limit = LIMITS[precision]
    logits, answers = list(report)[2], list(report)[1]
    _check(logits, report[logits] <= limit, report, limit)
    if precision == "fp32":
        _check(answers, report[answers] <= limit, report, limit)
    return {**report, "limit": limit}


def _check(what: str, passed: bool, report: dict[str, object], limit: float) -> None:
    if not passed:
        raise UserError(
            "The export does not answer as the network does, so it is not written: "
            f"{what.replace('_', ' ')} is {report[what]:.3g}, the limit {limit:g}."
        )


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype("float32")
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
