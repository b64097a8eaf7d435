"""Other computations in the place of layers' own while a step is traced."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator

import keras

# Replicas trace in threads of their own, one beginning before another has ended.
_TRACES = threading.Lock()


@contextlib.contextmanager
def replaced(
    layers: Iterable[keras.layers.Layer],
    method: str,
    make: Callable[[keras.layers.Layer, Callable], Callable],
) -> Iterator[None]:
    """Lets layers compute by another method in what is traced inside.

    Args:
        layers: Which ones.
        method: Its name.
        make: Gives the new method of a layer, from the layer and its own method.
    """
    layers = list(layers)
    with _TRACES:
        for layer in layers:
            if method not in vars(layer):
                own = getattr(layer, method)
                new = make(layer, own)
                setattr(layer, method, _Counted(new))
            vars(layer)[method].traces += 1
    try:
        yield
    finally:
        with _TRACES:
            for layer in layers:
                vars(layer)[method].traces -= 1
                if not vars(layer)[method].traces:
                    delattr(layer, method)


class _Counted:
    """A method, and how many traces use it."""

    def __init__(self, method: Callable) -> None:
        self.method, self.traces = method, 0

    def __call__(self, *arguments: object, **options: object) -> object:
        return self.method(*arguments, **options)
