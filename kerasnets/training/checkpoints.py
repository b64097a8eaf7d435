"""The whole state of a training, so that it can go on: weights, optimizer, random numbers, figures.

A checkpoint's name is the number of its step, which says where in the shuffled data it stands.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Mapping

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.weights import read_tensors, save_tensors

log = logging.getLogger("kerasnets")

KEEP = 3


def state(model: keras.Model) -> dict[str, np.ndarray]:
    """Everything that the next step depends on, and the figures of the epoch so far.

    Variables are named by their index, since Keras numbers optimizers and random generators
    through the process. Under a strategy all workers must ask for it together.
    """
    return {name: variable.value.numpy() for name, variable in _variables(model).items()}


def save(folder: pathlib.Path, values: Mapping[str, np.ndarray], step: int) -> pathlib.Path:
    """Writes ``step_XXXXXXXX.safetensors`` and removes others but the last `KEEP` up to it.

    Raises:
        UserError: When it cannot be written, or a weight is no number; the older ones are kept.
    """
    for name, array in values.items():
        if name.startswith(("trainable", "non_trainable")) and not np.isfinite(array).all():
            raise UserError(
                f"Weights are no finite numbers any more at step {step}; {kept(folder)} "
                "A lower --learning-rate may help."
            )
    path = folder / f"step_{step:08d}.safetensors"
    save_tensors(path, values)
    others = sorted(folder.glob("step_*.safetensors"))
    # Later ones were damaged, or the run would have gone on from them.
    later = [other for other in others if other > path]
    for other in [*others[: -KEEP - len(later)], *later]:
        other.unlink()
    return path


def kept(folder: pathlib.Path) -> str:
    """A sentence on the checkpoint that a run can go back to."""
    path = latest(folder)
    return "there is no checkpoint yet." if path is None else f"the last checkpoint is {path.name}."


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint of a folder, or ``None``."""
    return max(folder.glob("step_*.safetensors"), default=None)


def restore(folder: pathlib.Path, model: keras.Model) -> int:
    """Puts a compiled model into the state of the newest checkpoint that can be read.

    Returns:
        The steps it had made; 0 where there is no checkpoint.

    Raises:
        UserError: When there are checkpoints, but all are damaged or another network's.
    """
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    failures = []
    for path in sorted(folder.glob("step_*.safetensors"), reverse=True):
        try:
            values = _read(path, variables)
        except UserError as error:
            log.warning("%s It is left out.", error)
            failures.append(path.name)
            continue
        for name, variable in variables.items():
            variable.assign(values[name])
        return int(path.stem.removeprefix("step_"))
    if failures:
        raise UserError(
            f"No checkpoint in {str(folder)!r} can be used: {', '.join(failures)} are damaged. "
            "Start the run anew with another --out."
        )
    return 0


def _read(path: pathlib.Path, variables: Mapping[str, keras.Variable]) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint, if it is whole and fits."""
    values = read_tensors(path)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    different = shapes.items() ^ {name: array.shape for name, array in values.items()}.items()
    if different:
        name, shape = min(different)
        raise UserError(f"{str(path)!r} is no checkpoint of this run: {name} {shape}.")
    return values


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    parts = {
        "trainable": model.trainable_variables,
        "non_trainable": model.non_trainable_variables,
        "optimizer": model.optimizer.variables,
        "figures": model.metrics_variables,
    }
    return {
        f"{part}/{place:04d}": variable
        for part, variables in parts.items()
        for place, variable in enumerate(variables)
    }
