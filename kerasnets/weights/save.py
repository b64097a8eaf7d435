"""Our own weight files: safetensors, each variable under ``LAYER/VARIABLE``."""

from __future__ import annotations

import os
from collections.abc import Mapping

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import whole


def variable_names(model: keras.Model) -> dict[str, keras.Variable]:
    """The variables that make up a network's weights, by ``LAYER/VARIABLE``.

    Random-number states (of dropout, say) are no weights and are left out.
    """
    names = {}
    for layer in model.layers:
        for variable in layer.weights:
            names[f"{layer.name}/{variable.path.rpartition('/')[2]}"] = variable
    return names


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights of a network in our own layout; `kerasnets.build` loads them.

    Raises:
        UserError: When the disk is full or the folder cannot be written.
    """
    tensors = {name: variable.numpy() for name, variable in variable_names(model).items()}
    save_tensors(path, tensors)


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file, whole or not at all.

    Raises:
        UserError: When the disk is full or the folder cannot be written.
    """
    import safetensors
    import safetensors.numpy

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    with whole(path) as partial:
        try:
            safetensors.numpy.save_file(arrays, partial, metadata=dict(metadata or {}))
        except safetensors.SafetensorError as error:
            raise UserError(f"{os.fspath(path)!r} was not written: {error}.") from error
