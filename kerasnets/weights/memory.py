"""Memory for weights: filled once, by the file, and handed to the backend without a copy."""

from __future__ import annotations

import math
from collections.abc import Iterator

import keras
import numpy as np

# What TensorFlow asks of memory that it takes over instead of copying it.
_ALIGNMENT = 64
# Smaller arrays are copied: that costs less than handing them over.
_WORTH_SHARING = 1 << 20


def zeros(shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """Zeros that take no memory until they are written."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + _ALIGNMENT, "uint8")
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def as_tensor(array: np.ndarray) -> object:
    """The array as the backend takes it; the caller gives the array up."""
    if keras.backend.backend() != "tensorflow" or array.nbytes < _WORTH_SHARING:
        return array
    import tensorflow as tf

    try:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    except BufferError:  # bfloat16: numpy has no such type to export
        return array


class Deferred(keras.initializers.Initializer):
    """Zeros in place of weights that a file will give; costs neither time nor memory.

    Args:
        initializer: What stands for in a layer that the file does not know.
    """

    def __init__(self, initializer: keras.initializers.Initializer) -> None:
        self.initializer = initializer

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> object:
        return as_tensor(zeros(tuple(shape), dtype or keras.config.floatx()))


def deferred(model: keras.Model) -> Iterator[tuple[keras.layers.Layer, str]]:
    """The layers whose weights were left out, and the initializer's attribute in each."""
    for layer in model.layers:
        for attribute, value in list(vars(layer).items()):
            if isinstance(value, Deferred):
                yield layer, attribute
