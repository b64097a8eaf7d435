"""The whole state of a training, so that it can go on: weights, optimizer, random numbers, figures.

A checkpoint's name is the number of its step, which says where in the shuffled data it stands.
"""

from __future__ import annotations

import logging
import pathlib
import re
from collections.abc import Mapping

import keras
import numpy as np

from kerasnets.errors import UserError, shown
from kerasnets.runs.run import identity
from kerasnets.weights.files import open_weights
from kerasnets.weights.save import save_tensors
from kerasnets.weights.tensors import check_finite

log = logging.getLogger("kerasnets")

KEEP = 3
# How many steps an epoch has: TFRecord files that workers share out make it depend on these.
EPOCH = "steps_per_epoch"
# How the names of the network's own variables begin.
WEIGHTS = ("trainable", "non_trainable")


def state(model: keras.Model) -> dict[str, np.ndarray]:
    """Everything that the next step depends on, and the figures of the epoch so far.

    Variables are named by their index, since Keras numbers optimizers and random generators
    through the process. Under a strategy all workers must ask for it together.
    """
    return {name: variable.value.numpy() for name, variable in _variables(model).items()}


def save(
    folder: pathlib.Path, values: Mapping[str, np.ndarray], step: int, *, per_epoch: int = 0
) -> pathlib.Path:
    """Writes ``step_XXXXXXXX.safetensors`` and removes others but the last `KEEP` up to it.

    Args:
        folder: Folder of the checkpoints.
        values: What `state` gives.
        step: The steps so far.
        per_epoch: Steps of an epoch, on which it depends what comes next; 0 if not known.

    Raises:
        UserError: When it cannot be written, or a weight is no number; the older ones are kept.
    """
    for name, array in values.items():
        if name.startswith(WEIGHTS) and not np.isfinite(array).all():
            raise UserError(
                f"Weights are no finite numbers any more at step {step}; {kept(folder)} "
                "A lower --learning-rate may help."
            )
    path = folder / _name(step)
    run = identity(folder.parent)
    facts = {"step": str(step)} | ({"run": run} if run else {})
    save_tensors(path, values, facts | ({EPOCH: str(per_epoch)} if per_epoch else {}))
    others = _by_step(folder)
    # Later ones were damaged, or the run would have gone on from them.
    later = [other for other in others if other > step]
    for other in [*list(others)[: -KEEP - len(later)], *later]:
        others[other].unlink()
    return path


def _name(step: int) -> str:
    return f"step_{step:08d}.safetensors"


def _by_step(folder: pathlib.Path) -> dict[int, pathlib.Path]:
    """The checkpoints of a folder by their step, ascending; it may hold other files too."""
    found = {}
    for path in folder.glob("step_*.safetensors"):
        number = re.fullmatch(r"step_([0-9]{8,18})\.safetensors", path.name)
        if number and path.name == _name(int(number[1])) and path.is_file():
            found[int(number[1])] = path
    return dict(sorted(found.items()))


def kept(folder: pathlib.Path) -> str:
    """A sentence on the checkpoint that a run can go back to."""
    path = latest(folder)
    return "there is no checkpoint yet." if path is None else f"the last checkpoint is {path.name}."


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint of a folder, or ``None``."""
    return max(_by_step(folder).items(), default=(0, None))[1]


def check_run(folder: pathlib.Path) -> None:
    """Makes sure that a run's checkpoints are its own; a look at the head of each.

    Raises:
        UserError: When one is another run's, or has the name of another step. It is not touched.
    """
    own = {"run": identity(folder.parent)}
    if own["run"] is None:
        return
    for step, path in _by_step(folder).items():
        own["step"] = str(step)
        try:
            with open_weights(path) as file:
                found = file.metadata
        except UserError:
            continue  # damaged: `restore` says so and takes an earlier one
        for name, expected in own.items():
            if found.get(name) != expected:
                raise UserError(
                    f"{str(path)!r} is no checkpoint of this run: its {name} is "
                    f"{shown(found.get(name))}, expected {expected!r}. Move it away to go on "
                    "without it."
                )


def restore(folder: pathlib.Path, model: keras.Model, *, per_epoch: int = 0) -> int:
    """Puts a compiled model into the state of the newest checkpoint that can be read.

    Args:
        folder: Folder of the checkpoints.
        model: The model.
        per_epoch: Steps that an epoch has now; 0 if not known.

    Returns:
        The steps it had made; 0 where there is no checkpoint.

    Raises:
        UserError: When there are checkpoints, but all are damaged or another network's, or one is
            another run's, or of epochs of other lengths.
    """
    check_run(folder)
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    failures = []
    for step, path in reversed(_by_step(folder).items()):
        try:
            values, facts = _read(path, variables)
        except UserError as error:
            log.warning("%s It is left out.", error)
            failures.append(path.name)
            continue
        earlier = int(facts.get(EPOCH, per_epoch))
        if per_epoch and earlier != per_epoch:
            raise UserError(
                f"{str(path)!r} is of epochs of {earlier} steps; with these workers they have "
                f"{per_epoch}. Go on with as many workers as before."
            )
        for name, variable in variables.items():
            variable.assign(values[name])
        return step
    if failures:
        raise UserError(
            f"No checkpoint in {str(folder)!r} can be used: {', '.join(failures)} are damaged. "
            "Start the run anew with another --out."
        )
    return 0


def _read(
    path: pathlib.Path, variables: Mapping[str, keras.Variable]
) -> tuple[dict[str, np.ndarray], Mapping[str, str]]:
    """The tensors of a checkpoint and what else it says, if it is whole and fits."""
    with open_weights(path) as file:
        values, facts = file.read(), dict(file.metadata)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    different = shapes.items() ^ {name: array.shape for name, array in values.items()}.items()
    if different:
        name, shape = min(different)
        raise UserError(f"{str(path)!r} is no checkpoint of this run: {name} {shape}.")
    for name, variable in variables.items():
        if name.startswith(WEIGHTS):
            check_finite(path, f"{name} (for {variable.path})", values[name])
    return values, facts


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
