"""What a training changes in its process for a while: random numbers, graph rewriting, the log."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import random
from collections.abc import Iterator

import tensorflow as tf

from kerasnets.private import own_seed_generator

log = logging.getLogger("kerasnets")


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Layers made inside draw from this seed; the caller's random streams go on afterwards.

    Keras takes the seeds of initializers and dropout from Python's `random`, and what has no seed
    from one generator of its own. Nothing draws from the streams of NumPy and TensorFlow.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        with own_seed_generator():
            yield
    finally:
        random.setstate(before)


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """The same figures each time: TensorFlow's graph rewriting lets the order of sums vary.

    TensorFlow 2.21 has this switch for the whole process alone, neither for a function (none of
    the attributes that `tf.function` takes does it) nor for a thread; so it is off around `fit`
    only, and the caller's setting comes back.
    """
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


@contextlib.contextmanager
def logging_to(path: pathlib.Path) -> Iterator[None]:
    """Writes the log into a file too."""
    handler = _RunLog(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        # What could not be written cannot be written at the end either.
        with contextlib.suppress(OSError):
            handler.close()


class _RunLog(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A full disk ends the run at its next checkpoint, which says so in one line."""
