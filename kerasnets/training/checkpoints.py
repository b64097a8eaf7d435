"""The whole state of a training, so that it can go on: weights, optimizer, random numbers."""

from __future__ import annotations

import pathlib

import keras
import numpy as np

from kerasnets.errors import UserError
from kerasnets.weights import read_tensors, save_tensors

KEEP = 3
_PARTS = ("trainable_variables", "non_trainable_variables", "optimizer_variables")


def save(folder: pathlib.Path, model: keras.Model, step: int) -> pathlib.Path:
    """Writes ``step_XXXXXXXX.safetensors`` and removes all but the last `KEEP`."""
    path = folder / f"step_{step:08d}.safetensors"
    tree = model.get_state_tree(value_format="numpy_array")
    save_tensors(path, _flatten({part: tree[part] for part in _PARTS}))
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
    tree = model.get_state_tree(value_format="numpy_array")
    expected = _flatten({part: tree[part] for part in _PARTS})
    found = read_tensors(path)
    different = [
        name
        for name in expected.keys() | found.keys()
        if name not in expected
        or name not in found
        or np.shape(expected[name]) != np.shape(found[name])
    ]
    if different:
        raise UserError(f"{str(path)!r} is no checkpoint of this run: {sorted(different)[0]}.")
    model.set_state_tree(_unflatten(found))
    return int(path.stem.removeprefix("step_"))


def _flatten(tree: dict, prefix: str = "") -> dict[str, np.ndarray]:
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}/")
        else:
            flat[prefix + name] = np.asarray(value)
    return flat


def _unflatten(flat: dict[str, np.ndarray]) -> dict:
    tree = {}
    for path, value in flat.items():
        *parts, name = path.split("/")
        node = tree
        for part in parts:
            node = node.setdefault(part, {})
        node[name] = value
    return tree
