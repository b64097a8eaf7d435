"""Runs an experiment cell by cell, and keeps each, so that one that was stopped goes on."""

from __future__ import annotations

import dataclasses
import datetime
import gc
import logging
import os
import pathlib
import re
import shutil
import time
from collections.abc import Iterator, Sequence

from kerasnets.errors import UserError
from kerasnets.files import check_writable, locked, make_folder, write_text
from kerasnets.lab.catalogue import experiment
from kerasnets.lab.cells import Cell, rounded
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.results import RECORD, Results
from kerasnets.runs.environment import machine

log = logging.getLogger("kerasnets")

# What a process that was killed before its first cell leaves.
OWN = (".lock", "runs")


def run(
    name: str,
    *,
    scale: str | Scale = "small",
    seeds: int | None = None,
    epochs: int | None = None,
    data: str | None = None,
    out: str | os.PathLike | None = None,
) -> Results:
    """Runs an experiment, or goes on with one that was stopped in the same folder.

    Args:
        name: Name of the experiment, as `kerasnets lab` lists it.
        scale: ``"small"``, ``"full"``, or a `Scale` of your own.
        seeds: How many seeds, 0 to N - 1; the scale's own number if not given. With more than an
            earlier run had, only the new ones are run; with fewer, none.
        epochs: How long each training takes; the scale's own number if not given.
        data: Data set; the scale's own if not given.
        out: Folder; ``lab/NAME-SCALE`` if not given.

    Returns:
        What was found; it is in the folder too.

    Raises:
        UserError: When the name or the scale is not known, or the folder holds another experiment.
    """
    own = experiment(name)
    word, chosen = scale_of(own, scale)
    chosen = with_choices(own, chosen, seeds, epochs, data)
    folder = pathlib.Path(out) if out is not None else pathlib.Path("lab", f"{name}-{word}")
    check_folder(own, chosen, folder)
    make_folder(folder)
    with locked(folder / ".lock", f"Another process runs an experiment in {str(folder)!r}."):
        results = _begun(own, word, chosen, folder)
        for cell in _missing(own, chosen, results.cells, folder):
            results = results.with_cell(cell)
            # After each cell, so that a process that is killed loses one at most.
            write_text(folder / RECORD, results.to_json())
        results.save(folder)
    return results


def scale_of(own: Experiment, scale: str | Scale) -> tuple[str, Scale]:
    """The scale and its name.

    Raises:
        UserError: When the experiment has none of this name.
    """
    if isinstance(scale, Scale):
        return "custom", scale
    scales = {"small": own.small, **({"full": own.full} if own.full else {})}
    if scale not in scales:
        raise UserError(
            f"The experiment {own.name} has the scales {', '.join(scales)}. Received: {scale!r}."
        )
    return scale, scales[scale]


def with_choices(
    own: Experiment, scale: Scale, seeds: int | None, epochs: int | None, data: str | None
) -> Scale:
    """The scale with what a caller chose; what is exact has one seed.

    Raises:
        UserError: When a number is below 1, or there is no training that epochs could be of.
    """
    for name, given in (("seeds", seeds), ("epochs", epochs)):
        if given is not None and given < 1:
            raise UserError(f"{name} must be at least 1. Received: {given}.")
    recipe = dict(scale.recipe)
    if epochs is not None:
        if "epochs" not in recipe:
            raise UserError(f"The experiment {own.name} has no number of epochs to choose.")
        recipe["epochs"] = epochs
    seeds = 1 if own.exact else seeds or scale.seeds
    return dataclasses.replace(scale, data=data or scale.data, seeds=seeds, recipe=recipe)


def check_folder(own: Experiment, scale: Scale, folder: pathlib.Path) -> None:
    """Refuses a folder that holds something else than this experiment at this scale.

    Raises:
        UserError: When it does, or it cannot be written.
    """
    check_writable(folder)
    if not (folder / RECORD).exists():
        if folder.exists() and any(path.name not in OWN for path in folder.iterdir()):
            raise UserError(
                f"{str(folder)!r} is not empty and holds no experiment; choose another --out."
            )
        return
    found = Results.load(folder / RECORD).identity
    for what, value in rounded(own.identity(scale)).items():
        if found.get(what) != value:
            raise UserError(
                f"{str(folder)!r} holds the experiment {found.get('experiment')} with another "
                f"{what}; its cells do not belong to this one. Choose another --out."
            )


def _begun(own: Experiment, word: str, scale: Scale, folder: pathlib.Path) -> Results:
    """What an earlier process found in the folder, or the beginning."""
    here = machine()
    if (folder / RECORD).exists():
        found = Results.load(folder / RECORD)
        machines = found.machine if here in found.machine else f"{found.machine}; {here}"
        return dataclasses.replace(found, seeds=max(found.seeds, scale.seeds), machine=machines)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    epochs, identity = scale.recipe.get("epochs"), rounded(own.identity(scale))
    return Results(own.name, word, scale.data, scale.seeds, today, here, (), epochs, identity)


def _missing(
    own: Experiment, scale: Scale, there: Sequence[Cell], folder: pathlib.Path
) -> Iterator[Cell]:
    """Runs the cells that are not there, one after another. All variants of a seed come first."""
    known = {(cell.seed, cell.variant) for cell in there}
    wanted = [(seed, variant) for seed in range(scale.seeds) for variant in own.variants]
    left = [each for each in wanted if each not in known]
    took: list[float] = []
    for number, (seed, variant) in enumerate(left):
        stem = f"{re.sub(r'[^a-z0-9]+', '_', variant.lower()).strip('_')}-{seed}"
        if not own.exact:
            mean = sum(took) / len(took) if took else 0.0
            about = f", about {(len(left) - number) * mean / 60:.0f} min left" if took else ""
            at = len(wanted) - len(left) + number + 1
            log.info("%d of %d: %s, seed %d%s", at, len(wanted), variant, seed, about)
            make_folder(folder / "runs")
        trial = Trial(own.variants[variant], scale, seed, folder / "runs" / stem)
        began = time.monotonic()
        measured = own.measure(trial)
        took.append(time.monotonic() - began)
        yield Cell.of(variant, seed, took[-1], measured)
        # Its checkpoints are no longer needed, and networks lie in circles of references.
        shutil.rmtree(trial.folder / "checkpoints", ignore_errors=True)
        gc.collect()
