"""Our own weight files: safetensors, each variable under ``LAYER/VARIABLE``."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from kerasnets.errors import UserError


def variable_names(model: keras.Model) -> dict[str, keras.Variable]:
    """The variables that make up a network's weights, by ``LAYER/VARIABLE``.

    Random-number states (of dropout, say) are no weights and are left out.
    """
    names = {}
    for layer in model.layers:
        for variable in layer.weights:
            names[f"{layer.name}/{variable.path.rpartition('/')[2]}"] = variable
    return names


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file beside `path` and renames it, so that it is whole or not there.

    Raises:
        UserError: When the disk is full or the folder cannot be written.
    """
    import safetensors
    import safetensors.numpy

    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.partial")
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    try:
        safetensors.numpy.save_file(arrays, partial, metadata=dict(metadata or {}))
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{str(path)!r} was not written: {error}") from error
