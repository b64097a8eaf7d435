"""How long the networks of runs take for one image, measured in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from kerasnets.fast import for_inference
from kerasnets.inputs import with_preprocessing
from kerasnets.runs.run import Run

ROUNDS, CALLS = 15, 5


def measure_latencies(runs: Sequence[Run]) -> tuple[float, ...]:
    """Milliseconds of an answer on one image, by each run's network as it is used in inference.

    Each is the median of `ROUNDS` rounds, in which all take their turns: what else the machine
    does meets all alike.
    """
    calls = [_call(run) for run in runs]
    for call in calls:
        call()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            for _ in range(CALLS):
                call()
            own.append(1e3 * (time.perf_counter() - start) / CALLS)
    return tuple(statistics.median(own) for own in times)


def _call(run: Run) -> Callable[[], object]:
    gpu = bool(tf.config.list_physical_devices("GPU"))
    network = for_inference(run.network(), device="any" if gpu else "cpu")
    model = with_preprocessing(network, run.preprocessing)
    compiled = tf.function(lambda x: model(x, training=False))
    image = tf.constant(np.zeros((1, *run.input_shape), np.uint8))
    return lambda: compiled(image).numpy()
