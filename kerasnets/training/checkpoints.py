"""The whole state of a training, so that it can go on: weights, optimizer, random numbers."""

from __future__ import annotations

import pathlib

import keras

from kerasnets.errors import UserError
from kerasnets.weights import read_tensors, save_tensors

KEEP = 3


def save(folder: pathlib.Path, model: keras.Model, step: int) -> pathlib.Path:
    """Writes ``step_XXXXXXXX.safetensors`` and removes all but the last `KEEP`."""
    path = folder / f"step_{step:08d}.safetensors"
    arrays = {name: variable.numpy() for name, variable in _state(model).items()}
    save_tensors(path, arrays)
    for old in sorted(folder.glob("step_*.safetensors"))[:-KEEP]:
        old.unlink()
    return path


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint of a folder, or ``None``."""
    return max(folder.glob("step_*.safetensors"), default=None)


def restore(path: pathlib.Path, model: keras.Model) -> int:
    """Puts a compiled model into the state of a checkpoint; returns the steps it had made.

    Raises:
        UserError: When the checkpoint is damaged or another network's.
    """
    model.optimizer.build(model.trainable_variables)
    state, found = _state(model), read_tensors(path)
    shapes = {name: tuple(variable.shape) for name, variable in state.items()}
    different = shapes.items() ^ {name: array.shape for name, array in found.items()}.items()
    if different:
        name, shape = min(different)
        raise UserError(f"{str(path)!r} is no checkpoint of this run: {name} {shape}.")
    for name, variable in state.items():
        variable.assign(found[name])
    return int(path.stem.removeprefix("step_"))


def _state(model: keras.Model) -> dict[str, keras.Variable]:
    """Every variable that the next step depends on.

    They go by their place, since Keras numbers the names of optimizers and random generators
    through the process.
    """
    parts = {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,
        "optimizer": model.optimizer.variables,
    }
    return {
        f"{part}/{place:04d}": variable
        for part, variables in parts.items()
        for place, variable in enumerate(variables)
    }
