"""Which folder a run takes: a new one, the next numbered one, or that of an earlier run."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
from collections.abc import Mapping

from kerasnets.config.training import TrainConfig, differences
from kerasnets.errors import UserError
from kerasnets.files import locked
from kerasnets.pretrained.sources import RUN_FACTS
from kerasnets.registry import info
from kerasnets.runs.run import CLASSES, CONFIG, IDENTITY, SPLITS, FolderTakenError, Run

LOCK = ".lock"


def run_folder(config: TrainConfig, resume: bool) -> pathlib.Path:
    """The folder of a run: ``out``, or ``runs/MODEL-DATA-NUMBER``, the latest or the next one.

    Args:
        config: Configuration of the run.
        resume: Whether an earlier run goes on: without ``out`` the latest number is taken.

    Raises:
        UserError: When there is no run to resume.
    """
    if config.out is not None:
        return config.out
    data = pathlib.Path(config.data).name.replace(":", "-")
    stem = f"{info(config.model).name}-{data}"
    # No pattern with the stem in it: names of data may hold a pattern's special characters.
    names = [path.name for path in pathlib.Path("runs").glob("*")]
    found = [re.fullmatch(re.escape(stem) + r"-([1-9]\d*)", name) for name in names]
    last = max((int(match[1]) for match in found if match), default=0)
    if resume and not last:
        raise UserError(f"There is no run runs/{stem}-* to resume.")
    return pathlib.Path("runs", f"{stem}-{last if resume else last + 1}")


def earlier_run(
    folder: pathlib.Path, config: TrainConfig, *, resume: bool, restarted: bool
) -> Run | None:
    """The run in a folder, which goes on; ``None`` for a folder that is free.

    Args:
        folder: Folder of the run.
        config: Configuration that the run must have.
        resume: Whether the user wants to go on with a run.
        restarted: Whether the run may go on without that: a cluster restarts its workers with the
            command that it began with.

    Raises:
        UserError: When there is no run to resume, or the folder holds something else.
    """
    if not (folder / CONFIG).exists():
        if resume:
            raise UserError(f"There is no run in {str(folder)!r} to resume.")
        if not is_free(folder):
            raise UserError(
                f"{str(folder)!r} is no run folder and not empty; choose another --out."
            )
        return None
    earlier = Run.load(folder)
    if changed := differences(earlier.config, config):
        raise UserError(
            f"{str(folder)!r} holds a run of another configuration; it differs in "
            f"{', '.join(changed)}. Choose another --out."
        )
    if not resume and not restarted:
        raise UserError(
            f"{str(folder)!r} holds this run already; add --resume to go on, or choose another "
            "--out."
        )
    return earlier


def in_use(folder: pathlib.Path) -> contextlib.AbstractContextManager[None]:
    """While inside, no other training goes on with the run in a folder.

    Raises:
        UserError: On entering, when another one does.
    """
    return locked(
        folder / LOCK,
        f"The run in {str(folder)!r} is in use: another training is writing it. Wait for its end, "
        "or choose another --out.",
    )


def create(run: Run, sizes: Mapping[str, int], *, numbered: bool) -> Run:
    """Begins a new run; a numbered one takes the next number where another run took its folder.

    Args:
        run: The run, which is not written yet.
        sizes: The number of images of each split.
        numbered: Whether the number of its folder may change.

    Returns:
        The run in its final folder.
    """
    while True:
        try:
            return Run.create(run.folder, run.config, run.class_names, sizes)
        except FolderTakenError:
            if not numbered:
                raise
        folder = run_folder(dataclasses.replace(run.config, out=None), resume=False)
        config = dataclasses.replace(run.config, out=folder)
        run = dataclasses.replace(run, folder=folder, config=config)


def is_free(folder: pathlib.Path) -> bool:
    """Whether a run may begin in a folder: it is not there, or holds leftovers alone.

    Leftovers are what a `Run.create` that was killed has written.
    """
    if not folder.exists():
        return True
    return folder.is_dir() and all(_is_leftover(path) for path in folder.iterdir())


def clear(folder: pathlib.Path) -> None:
    """Removes the leftovers from a free folder."""
    # With a configuration it has become a run in the meantime.
    for path in () if (folder / CONFIG).exists() else list(folder.iterdir()):
        if _is_leftover(path):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def _is_leftover(path: pathlib.Path) -> bool:
    if path.name == "checkpoints":
        return path.is_dir() and not any(path.iterdir())
    return path.name.removeprefix(".partial-") in (CLASSES, IDENTITY, SPLITS, RUN_FACTS) or (
        path.name == f".partial-{CONFIG}"
    )
