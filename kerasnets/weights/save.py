"""Our own weight files, and Keras' with a checksum."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import whole
from kerasnets.registry import WeightsOrigin
from kerasnets.weights.hdf5 import add_facts
from kerasnets.weights.layouts import own_names
from kerasnets.weights.tensors import CHECKSUMS, ORIGIN, crc32


def save_weights(
    model: keras.Model, path: str | os.PathLike, metadata: Mapping[str, str] | None = None
) -> None:
    """Writes the weights of a network; `kerasnets.build` loads them.

    The format follows the name: ``.weights.h5`` is Keras' own, and anything else safetensors with
    each variable under ``LAYER/VARIABLE``. Both record a checksum and the model's ``origin``.

    Args:
        model: The network.
        path: The file.
        metadata: Further words by name that the file records.

    Raises:
        UserError: When the disk is full or the folder cannot be written.
    """
    origin = getattr(model, "origin", None)
    facts = dict(metadata or {})
    if isinstance(origin, WeightsOrigin):
        facts[ORIGIN] = origin.to_json()
    if os.fspath(path).endswith(".weights.h5"):
        size = sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in model.weights)
        with whole(path, size) as partial:
            model.save_weights(partial)
            add_facts(partial, facts)
        return
    tensors = {
        name: np.asarray(keras.ops.convert_to_numpy(variable.value))
        for name, (_, variable) in own_names(model).items()
    }
    save_tensors(path, tensors, facts)


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file with a checksum of each tensor, completely or not at all.

    Raises:
        UserError: When the disk is full or the folder cannot be written.
    """
    import safetensors
    import safetensors.numpy

    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    checksums = {name: f"{crc32(array):08x}" for name, array in arrays.items()}
    metadata = {CHECKSUMS: json.dumps(checksums), **(metadata or {})}
    with whole(path) as partial:
        try:
            safetensors.numpy.save_file(arrays, partial, metadata=metadata)
        except safetensors.SafetensorError as error:
            raise UserError(f"{os.fspath(path)!r} was not written: {error}.") from error
