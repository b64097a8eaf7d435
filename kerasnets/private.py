"""The private names of Keras and TensorFlow that kerasnets depends on, each with its reason.

No other module uses one, as `tests/test_private.py` checks; an upgrade that breaks one breaks here.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    Gradients = list[tuple[keras.KerasTensor, keras.Variable]]
    Optimizer = keras.optimizers.Optimizer
else:
    Optimizer = object

Kind = TypeVar("Kind", bound="type[Any]")


def maker_of(tensor: Any) -> keras.layers.Layer:
    """The layer that made a symbolic tensor.

    Keras has no public way from a tensor to its layer; it documents that ``_keras_history`` will
    stay (keras.models.clone_model and keras.Model depend on it).
    """
    return tensor._keras_history.operation


def run_through(model: Any, inputs: Any, call: Callable[..., Any]) -> Any:
    """Runs a functional model with ``call(operation, *args, **kwargs)`` for each operation.

    Keras has no public way to see what the layers of a model give while it computes. A model of
    their outputs would leave its calls in the layers, and takes the inputs in the model's own type.
    """
    return model._run_through_graph(
        inputs, operation_fn=lambda operation: functools.partial(call, operation)
    )


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


@contextlib.contextmanager
def variables_without_values() -> Iterator[None]:
    """Variables that are made inside have shapes and keep no values; each read would draw anew.

    `keras.StatelessScope` has an argument for it, but keeps such variables on a list, with their
    networks, and the next scope of any kind draws the values of all that are on it. Keras has no
    public way to the list.
    """
    import keras
    from keras.src.backend.common import global_state

    name = "uninitialized_variables"
    before = global_state.get_global_attribute(name, [])
    global_state.set_global_attribute(name, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute(name, before)


def index_of(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> int:
    """The place of a variable among those that an optimizer was built with.

    In ``update_step`` Keras hands over TensorFlow's variable, under a strategy the one of a single
    device; Keras alone knows which of the weights that stands for.
    """
    return optimizer._get_variable_index(variable)


def moments_of(adam: keras.optimizers.Adam) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Adam's moving averages of all gradients and of their squares.

    Those of SGD are public, ``momentums``; Adam's are not.
    """
    return adam._momentums, adam._velocities


def training_writer_of(callback: keras.callbacks.TensorBoard) -> tf.summary.SummaryWriter:
    """The writer of Keras' own training curves, whose file ours belong into.

    Keras has no public way to write beside its curves; a writer of our own would open a second
    file in the folder.
    """
    return callback._train_writer


class SeesSummedGradients(Optimizer):
    """Goes in front of an optimizer's class, which may then change the sums of the gradients.

    Keras calls nothing public with all variables' gradients between the sum over the devices and
    the update: what is added or cut off in ``apply`` counts once for each device.
    """

    def with_summed(self, gradients: Gradients) -> Gradients:
        """What is applied in place of the sums, which are given with their variables."""
        raise NotImplementedError

    def _all_reduce_sum_gradients(self, grads_and_vars: Gradients) -> Gradients:
        return self.with_summed(super()._all_reduce_sum_gradients(grads_and_vars))


def reads_no_batch_to_build(kind: Kind) -> Kind:
    """Decorates a class of models that are built when they are made.

    On several devices Keras reads a batch before it fits or evaluates, and averages it over the
    devices to learn its shape, which fails where their parts differ in size: see
    https://github.com/keras-team/keras/issues/20585, open as of Keras 3.15.
    """

    def do_nothing(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        return None

    kind._maybe_symbolic_build = do_nothing
    return kind
