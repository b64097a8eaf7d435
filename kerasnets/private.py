"""The private names of Keras and TensorFlow that kerasnets depends on, each with its reason.

No other module uses one; an upgrade that breaks one breaks here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import keras

Kind = TypeVar("Kind", bound="type[Any]")


def maker_of(tensor: Any) -> keras.layers.Layer:
    """The layer that made a symbolic tensor.

    Keras has no public way from a tensor to its layer; it documents that ``_keras_history`` will
    stay (keras.models.clone_model and keras.Model depend on it).
    """
    return tensor._keras_history.operation


def calls_after_running(
    function: Callable[[Any, Any], None],
) -> Callable[[Kind], Kind]:
    """Decorates a class of functional models: calls ``function(model, outputs)`` after each run.

    A run computes the outputs of the model's graph, also on symbolic inputs.
    `keras.models.clone_model` makes a clone from a model's graph and name alone; that it runs the
    graph is the one sign of a clone that a class can see.
    """

    def decorate(kind: Kind) -> Kind:
        def run(self: Any, *args: Any, **options: Any) -> Any:
            inherited: Any = super(kind, self)
            outputs = inherited._run_through_graph(*args, **options)
            function(self, outputs)
            return outputs

        kind._run_through_graph = run
        return kind

    return decorate
