"""What commands share that take a run folder or the name of a network."""

from __future__ import annotations

import pathlib

from kerasnets.errors import UserError
from kerasnets.registry import info


def is_run(model: str) -> bool:
    """Whether `model` is a run folder; otherwise it can only be the name of a network.

    Raises:
        UserError: When it is a path that leads to no run.
    """
    if (pathlib.Path(model) / "config.json").is_file():
        return True
    path = pathlib.Path(model)
    if path.parent != pathlib.Path() or (path.is_dir() and not _is_network(model)):
        raise UserError(f"{model!r} is no run folder: there is no config.json in it.")
    return False


def _is_network(name: str) -> bool:
    try:
        return bool(info(name))
    except UserError:
        return False


def check_alone(command: object, *flags: str) -> None:
    """Raises a `UserError` where a flag is given that a run has in itself.

    Args:
        command: A dataclass with `flags` and ``model``, a run.
        flags: Names of its fields that are empty where they are not given.
    """
    for flag in flags:
        if getattr(command, flag):
            raise UserError(f"--{flag} is for a network's name; {command.model!r} is a run.")
