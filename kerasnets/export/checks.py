"""Whether what was exported answers as the network does."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from kerasnets.errors import UserError

# The largest difference of a probability that is let pass, by what the export computes in. Half
# types have 8 and 11 bits of precision; int8 is judged by its best class instead.
LIMITS = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
# Share of the calibration images on which int8 must name the same class.
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


def compare(expected: np.ndarray, found: np.ndarray, precision: str) -> dict[str, object]:
    """How far apart two sets of probabilities are, for ``model.json``.

    Args:
        expected: (N, classes), of the network.
        found: (N, classes), of the export.
        precision: A key of `LIMITS`, or ``"int8"``.

    Raises:
        UserError: When they differ by more than is allowed, or are not finite.
    """
    difference = float(np.max(np.abs(expected - found)))
    same = float(np.mean(np.argmax(expected, axis=1) == np.argmax(found, axis=1)))
    report = {"inputs": len(expected), "largest_difference": difference, "same_best_class": same}
    if precision == "int8":
        limit = {"same_best_class": SAME_BEST}
        passed = np.isfinite(difference) and same >= SAME_BEST
        told = f"it names the network's best class on {same:.0%} of the images, not {SAME_BEST:.0%}"
    else:
        limit = {"largest_difference": LIMITS[precision]}
        passed = difference <= LIMITS[precision]
        told = f"a probability is {difference:.2g} off the network's, not {LIMITS[precision]:g}"
    if not passed:
        raise UserError(f"The export in {precision} is not written: {told}.")
    return {**report, "limit": limit}


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of (N, classes) logits."""
    return keras.ops.convert_to_numpy(keras.ops.softmax(keras.ops.cast(logits, "float32")))
