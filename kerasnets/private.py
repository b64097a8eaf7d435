"""The private names of Keras and TensorFlow that kerasnets depends on, each with its reason.

No other module uses one; an upgrade that breaks one breaks here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def maker_of(tensor: Any) -> keras.layers.Layer:
    """The layer that made a symbolic tensor.

    Keras has no public way from a tensor to its layer; it documents that ``_keras_history`` will
    stay (keras.models.clone_model and keras.Model depend on it).
    """
    return tensor._keras_history.operation


def calls_after_running(
    function: Callable[[Any, Any], None],
) -> Callable[[type[keras.Model]], type[keras.Model]]:
    """Decorates a class of functional models: calls ``function(model, outputs)`` after each run.

    A run computes the outputs of the model's graph, also on symbolic inputs.
    `keras.models.clone_model` makes a clone from a model's graph and name alone; that it runs the
    graph is the one sign of a clone that a class can see.
    """

    def decorate(kind: type[keras.Model]) -> type[keras.Model]:
        def run(self: Any, *args: Any, **options: Any) -> Any:
            outputs = super(kind, self)._run_through_graph(*args, **options)
            function(self, outputs)
            return outputs

        kind._run_through_graph = run
        return kind

    return decorate


@contextlib.contextmanager
def own_seed_generator() -> Iterator[None]:
    """What draws from `keras.random` without a seed draws from a new generator inside.

    The caller's generator comes back afterwards; `keras.utils.set_random_seed` drops it for good,
    and Keras has no public way to it.
    """
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    before = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, before)
