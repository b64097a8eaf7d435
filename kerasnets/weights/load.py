"""Loading a weight file into a network: all of it, or nothing."""

from __future__ import annotations

import os

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.registry import registration
from kerasnets.weights.files import read_tensors
from kerasnets.weights.layouts import Tensor, torch_tensors
from kerasnets.weights.save import variable_names


def load_weights(model: keras.Model, path: str | os.PathLike, *, network: str) -> None:
    """Gives `model` the weights of a file.

    The file's kind and layout are told by its content: safetensors or a PyTorch pickle with the
    tensors named as the projects that publish them do, or safetensors of our own.

    Args:
        model: As `kerasnets.build` returned it.
        path: The file.
        network: The name the model was built by.

    Raises:
        UserError: When the file is missing or damaged, or its tensors are not those of the
            network; the model is unchanged then.
    """
    tensors = read_tensors(path)
    tensors = {
        name: array for name, array in tensors.items() if not name.endswith("num_batches_tracked")
    }
    expected = _expected(model, tensors, network)
    shapes = {tensor.name: tensor.shape for tensor in expected}
    tensors = _without_side_classifiers(tensors, shapes, network)
    _check(tensors, shapes, path, network)
    for tensor in expected:
        tensor.variable.assign(tensor.to_keras(np.asarray(tensors[tensor.name])))


def _expected(model: keras.Model, tensors: dict[str, np.ndarray], network: str) -> list[Tensor]:
    """The tensors of the layout, ours or another, that knows most of the names in the file."""
    own = variable_names(model)
    layouts = [
        [
            Tensor(name, tuple(variable.shape), variable, np.asarray, np.asarray)
            for name, variable in own.items()
        ],
        *(
            list(torch_tensors(model, layout.names))
            for layout in registration(network).layouts.values()
        ),
    ]
    return max(layouts, key=lambda expected: sum(tensor.name in tensors for tensor in expected))


def _without_side_classifiers(
    tensors: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], network: str
) -> dict[str, np.ndarray]:
    """Leaves out the tensors of the side classifiers that the model was built without."""
    entry = registration(network)
    prefixes = [f"{name}_" for name in entry.auxiliary_heads]
    for layout in entry.layouts.values():
        prefixes += layout.auxiliary
    unused = tuple(
        prefix for prefix in prefixes if not any(name.startswith(prefix) for name in shapes)
    )
    return {name: array for name, array in tensors.items() if not name.startswith(unused)}


def _check(
    tensors: dict[str, np.ndarray],
    shapes: dict[str, tuple[int, ...]],
    path: str | os.PathLike,
    network: str,
) -> None:
    """Raises where names or shapes differ; names the first tensors at fault."""
    missing = [name for name in shapes if name not in tensors]
    extra = [name for name in tensors if name not in shapes]
    wrong = [
        f"{name} has shape {tensors[name].shape}, expected {shape}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    faults = [
        f"{len(missing)} tensors are missing: {_first(missing)}" if missing else "",
        f"{len(extra)} do not belong to it: {_first(extra)}" if extra else "",
        f"{len(wrong)} have another shape: {_first(wrong)}" if wrong else "",
    ]
    if any(faults):
        found = "; ".join(filter(None, faults))
        raise UserError(f"{str(path)!r} does not fit {network}: {found}.")


def _first(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
