"""Loading a weight file into a network: all of it, or nothing."""

from __future__ import annotations

import logging

import keras
import numpy as np

from kerasnets.registry import Registration
from kerasnets.weights import memory
from kerasnets.weights.layouts import Tensor
from kerasnets.weights.plan import plan_loading
from kerasnets.weights.tensors import WeightFile, check_finite, crc32

log = logging.getLogger("kerasnets")

# Larger tensors are read in pieces of about this size, in bytes.
PIECE = 16 << 20


def load(
    model: keras.Model, file: WeightFile, entry: Registration, *, fresh_head: bool = False
) -> str | None:
    """Gives `model` the weights of an open file.

    The file's kind and layout are told by its content: safetensors, PyTorch pickles,
    ``.weights.h5``, ``.h5`` and ``.keras``, of ours, of keras.applications or of the projects in
    the network's registration. What had to be adapted is said in a warning: another number of
    input channels and, with `fresh_head`, of classes.

    Args:
        model: A model that `kerasnets.build` returned.
        file: The open file.
        entry: The registration of the network.
        fresh_head: Whether the last layer may start anew where the file's is for other classes.

    Returns:
        The project whose layout the file has; ``None`` for ours.

    Raises:
        UserError: When the file is damaged, or its tensors are not those of the network; the model
            is unchanged then.
    """
    plan = plan_loading(model, file, entry, fresh_head=fresh_head)
    # All are read before the first is assigned.
    for variable, array in _read(file, plan.tensors):
        variable.assign(memory.as_tensor(array))
    _finish(model, plan.fresh)
    for note in plan.notes:
        log.warning("%s: %s.", entry.info.name, note)
    return plan.project


def _read(file: WeightFile, tensors: list[Tensor]) -> list[tuple[keras.Variable, np.ndarray]]:
    """Every variable's new value, in memory of its own; the model is not touched."""
    values: dict[int, tuple[keras.Variable, np.ndarray]] = {}
    for tensor in sorted(tensors, key=lambda tensor: tensor.lost_bias):
        variable, kind = tensor.variable, keras.backend.standardize_dtype(tensor.variable.dtype)
        array = memory.zeros(tuple(variable.shape), kind)
        # What is too large for float32 is found as an infinite number.
        with np.errstate(over="ignore"):
            _fill(array, tensor, file)
        check_finite(file.path, f"{tensor.name} (for {variable.path})", array)
        if tensor.lost_bias:
            values[id(variable)][1][...] -= array
        else:
            array += array.dtype.type(tensor.shift)
            values[id(variable)] = (variable, array)
    return list(values.values())


def _fill(array: np.ndarray, tensor: Tensor, file: WeightFile) -> None:
    """Reads a tensor into `array`, a piece at a time, and compares its checksum."""
    stored = file.tensors[tensor.name]
    view = tensor.in_file_order(array)
    rows, checksum = stored.rows, 0
    step = rows
    if tensor.channels_axis is None and view.shape[:1] == stored.shape[:1]:
        step = max(1, rows * PIECE // max(1, array.nbytes))
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        piece = stored.read(start, stop)
        if tensor.name in file.checksums:
            checksum = crc32(piece, checksum)
        if tensor.channels_axis is not None:
            piece = _with_channels(piece, tensor.channels_axis, tensor.shape[tensor.channels_axis])
        part = view[start:stop] if step < rows else view
        part[...] = piece.reshape(part.shape)
    if tensor.name in file.checksums:
        file.check(tensor.name, checksum)


def _with_channels(kernel: np.ndarray, axis: int, wanted: int) -> np.ndarray:
    """A kernel over other channels: their sum for one; repeated, with equal sum, for more."""
    given = kernel.shape[axis]
    if wanted == 1:
        return kernel.sum(axis, keepdims=True)
    return np.take(kernel, np.arange(wanted) % given, axis) * (given / wanted)


def _finish(model: keras.Model, fresh: list[keras.layers.Layer]) -> None:
    """Draws the weights of layers that start anew, and leaves no trace of what was deferred."""
    for layer, attribute in memory.deferred(model):
        initializer = getattr(layer, attribute).initializer
        setattr(layer, attribute, initializer)
        if layer in fresh:
            layer.kernel.assign(initializer(tuple(layer.kernel.shape), layer.kernel.dtype))
