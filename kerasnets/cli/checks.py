"""What commands refuse before a framework is loaded, which takes seconds."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerasnets.errors import UserError
from kerasnets.registry import info

if TYPE_CHECKING:
    from kerasnets.runs.run import Run


def is_run(model: str) -> bool:
    """Whether `model` is a run folder; otherwise it can only be the name of a network.

    Raises:
        UserError: When it is a path at which there is no run.
    """
    path = pathlib.Path(model)
    if (path / "config.json").is_file():
        return True
    if path.parent != pathlib.Path() or (path.is_dir() and not _is_network(model)):
        raise UserError(f"{model!r} is no run folder: there is no config.json in it.")
    return False


def is_export(model: str) -> bool:
    """Whether `model` is an export, or the URL of a model on a server."""
    from kerasnets.prediction.models import ENDINGS, find_model

    path = pathlib.Path(model)
    named = path.suffix in ENDINGS or model.startswith(("http://", "https://"))
    if not named and not path.exists():
        return False
    try:
        return find_model(model).kind != "run"
    except UserError:
        if named:
            raise
        return False


def _is_network(name: str) -> bool:
    try:
        return bool(info(name))
    except UserError:
        return False


def check_alone(command: Any, run: str, *flags: str) -> None:
    """Refuses flags for what a run has in itself.

    Args:
        command: A dataclass with `flags`.
        run: The run's folder.
        flags: Names of its fields, which are empty if they are not given.
    """
    for flag in flags:
        if getattr(command, flag):
            shown = flag.replace("_", "-")
            raise UserError(f"--{shown} is for a network's name; {run!r} is a run.")


def check_network(
    name: str, options: Mapping[str, object], weights: str | os.PathLike | None = None
) -> None:
    """Refuses a network that is not known, options that it does not take, and no weight files.

    Args:
        name: The network.
        options: Values by name.
        weights: As `kerasnets.build` takes them; nothing is downloaded.
    """
    from kerasnets.models.build import check_options
    from kerasnets.pretrained.sources import find, resolve
    from kerasnets.weights.files import file_format

    check_options(name, options)
    source = None if weights is None else find(name, weights)
    if source is None and weights is not None and not str(weights).startswith("hf:"):
        file_format(resolve(name, weights))


def check_run(folder: str | os.PathLike) -> Run:
    """The run in a folder; refuses one that has not finished."""
    from kerasnets.runs.run import Run
    from kerasnets.weights.files import file_format

    run = Run.load(folder)
    run.check_finished()
    file_format(run.weights_path)
    return run


def check_data(source: str, task: str = "classification") -> None:
    """Refuses a data set of no known kind, or for another task, or whose files are not there."""
    from kerasnets.data.sources import source_of

    source_of(source, task)
    kind, _, path = source.partition(":")
    if kind not in ("folder", "manifest", "records") or "://" in path:
        return
    if not os.path.exists(os.path.expanduser(path)):
        what = "file" if kind == "manifest" else "folder"
        raise UserError(f"There is no {what} {os.path.expanduser(path)!r}.")


def check_files(*paths: pathlib.Path | None) -> None:
    """Refuses files that are given and not there."""
    for path in paths:
        if path is not None and not path.is_file():
            raise UserError(f"There is no file {str(path)!r}.")


def check_file(path: pathlib.Path, endings: Sequence[str], option: str = "--out") -> None:
    """Refuses, before the work, a file of another ending or in a folder that is not there."""
    if path.suffix.lower() not in endings:
        raise UserError(f"{option} must end in {' or '.join(endings)}. Received: {str(path)!r}.")
    if not path.absolute().parent.is_dir():
        raise UserError(f"There is no folder {str(path.parent)!r} for {option}.")
