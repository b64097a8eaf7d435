"""Which folder a run takes: a new one, the next numbered one, or that of an earlier run."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import pathlib
import re
import shlex
from collections.abc import Mapping

from kerasnets.config.recipe_fields import fields
from kerasnets.config.training import Extension, TrainConfig, differences, to_json
from kerasnets.errors import UserError, shown
from kerasnets.files import locked, write_text
from kerasnets.pretrained.sources import RUN_FACTS
from kerasnets.registry import info
from kerasnets.runs.run import (
    CLASSES,
    CONFIG,
    IDENTITY,
    SPLITS,
    FolderTakenError,
    Run,
    chosen_recipe,
)

log = logging.getLogger("kerasnets")

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
    stem = model_and_data(config)
    # No pattern with the stem in it: names of data may hold a pattern's special characters.
    names = [path.name for path in pathlib.Path("runs").glob("*")]
    found = [re.fullmatch(re.escape(stem) + r"-([1-9]\d*)", name) for name in names]
    last = max((int(match[1]) for match in found if match), default=0)
    if resume and not last:
        raise UserError(f"There is no run runs/{stem}-* to resume.")
    return pathlib.Path("runs", f"{stem}-{last if resume else last + 1}")


def model_and_data(config: TrainConfig) -> str:
    """``MODEL-DATA``, after which folders are called: of a path the last name alone."""
    data = pathlib.Path(config.data).name.replace(":", "-")
    return f"{info(config.model).name}-{data}"


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

    Returns:
        The run; where it is resumed with another number of epochs, the extended one, which
        `record_extension` writes.

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
    changed = differences(earlier.config, config)
    epochs = changed.pop("epochs", None)
    if changed and not resume:
        raise UserError(
            f"{str(folder)!r} holds a run with {_listed(changed)}. Choose another --out."
        )
    if changed:
        raise UserError(
            f"The run in {str(folder)!r} has {_listed(changed)}, and goes on with its own settings "
            "alone. --resume --epochs N extends it; --weights "
            f"{shlex.quote(str(folder))} with another --out starts a new run from its weights."
        )
    if not resume and (epochs or not restarted):
        raise UserError(
            f"{str(folder)!r} holds this run already{', of other epochs' if epochs else ''}; add "
            f"--resume to {'extend it' if epochs else 'go on'}, or choose another --out."
        )
    return _extended(earlier, chosen_recipe(config).epochs) if epochs else earlier


def _listed(changed: Mapping[str, tuple[object, object]], most: int = 3) -> str:
    """Settings of a run and what was given, ``seed 0, not 5``; a recipe stands for its values."""
    changed = dict(changed)
    if "name" in changed:
        values = {"source", "reported", *fields()}
        changed = {"recipe": changed.pop("name")} | {
            name: both for name, both in changed.items() if name not in values
        }
    found = [
        f"{name} {shown(own)}, not {shown(given)}"
        for name, (own, given) in itertools.islice(changed.items(), most)
    ]
    more = len(changed) - len(found)
    return "; ".join([*found, *([f"and {more} more that differ"] if more else [])])


def _extended(run: Run, epochs: int) -> Run:
    """The run with another number of epochs, counted from its beginning."""
    check_epochs(run, epochs)
    done, before = run.trained_epochs, run.recipe.epochs
    if done and not any((run.folder / "checkpoints").glob("step_*.safetensors")):
        raise UserError(
            f"The run in {str(run.folder)!r} has no checkpoint to go on from; --weights "
            f"{shlex.quote(str(run.folder))} with another --out starts a new run from its weights."
        )
    extension = Extension(after=done, old_epochs=before, new_epochs=epochs)
    config = dataclasses.replace(
        run.config,
        recipe=dataclasses.replace(run.recipe, epochs=epochs),
        extensions=(*run.config.extensions, extension),
    )
    return dataclasses.replace(run, config=config)


def check_epochs(run: Run, epochs: int) -> None:
    """Raises a `UserError` where a number of epochs, counted from the beginning, extends no run."""
    done = run.trained_epochs
    if epochs <= done:
        raise UserError(
            f"The run in {str(run.folder)!r} has trained {done} epochs; to extend it, give by "
            f"--epochs their number from its beginning, at least {done + 1}. Received: {epochs}."
        )
    if run.finished and epochs == run.recipe.epochs:
        raise UserError(
            f"The run in {str(run.folder)!r} stopped early, after epoch {done} of {epochs}; to "
            f"extend it, give another number by --epochs, at least {done + 1}."
        )


def record_extension(run: Run) -> None:
    """Writes the configuration of an extended run; the run's results stay as they are."""
    if Run.load(run.folder).config == run.config:
        return
    write_text(run.folder / CONFIG, to_json(run.config))
    last = run.config.extensions[-1]
    log.info(
        "extended after epoch %d: to %d epochs, before to %d",
        last.after,
        last.new_epochs,
        last.old_epochs,
    )


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
