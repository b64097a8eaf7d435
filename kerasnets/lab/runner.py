"""Runs an experiment cell by cell, each kept in a file, so that one that was stopped goes on."""

from __future__ import annotations

import dataclasses
import datetime
import gc
import json
import logging
import os
import pathlib
import platform
import re
import shutil
import time
from collections.abc import Iterator

from kerasnets.errors import UserError
from kerasnets.files import check_writable, locked, make_folder, read_json, write_text
from kerasnets.lab.catalogue import experiment
from kerasnets.lab.cells import Cell
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.results import Results, rounded
from kerasnets.runs.environment import cores
from kerasnets.values import from_plain

log = logging.getLogger("kerasnets")

IDENTITY = "experiment.json"


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
            earlier run had, only the new ones are run.
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
        _record(own, chosen, folder)
        cells = tuple(_cells(own, chosen, folder))
        day = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))["began"]
        epochs = chosen.recipe.get("epochs")
        results = Results(name, word, chosen.data, chosen.seeds, day, machine(), cells, epochs)
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
    if not (folder / IDENTITY).exists():
        if folder.exists() and any(path.name != ".lock" for path in folder.iterdir()):
            raise UserError(
                f"{str(folder)!r} is not empty and holds no experiment; choose another --out."
            )
        return
    found = read_json(folder / IDENTITY, dict[str, object], "an experiment")
    for what, value in own.identity(scale).items():
        if found.get(what) != value:
            raise UserError(
                f"{str(folder)!r} holds the experiment {found.get('experiment')} with another "
                f"{what}; its cells do not belong to this one. Choose another --out."
            )


def _record(own: Experiment, scale: Scale, folder: pathlib.Path) -> None:
    if not (folder / IDENTITY).exists():
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        text = json.dumps({**own.identity(scale), "began": today}, indent=1)
        write_text(folder / IDENTITY, text + "\n")


def _cells(own: Experiment, scale: Scale, folder: pathlib.Path) -> Iterator[Cell]:
    """All cells: read where they are there, else run. All variants of a seed come first."""
    wanted = [(seed, variant) for seed in range(scale.seeds) for variant in own.variants]
    make_folder(folder / "cells")
    took: list[float] = []
    for number, (seed, variant) in enumerate(wanted):
        stem = f"{re.sub(r'[^a-z0-9]+', '_', variant.lower()).strip('_')}-{seed}"
        path = folder / "cells" / f"{stem}.json"
        if path.exists():
            yield _read(path)
            continue
        left = len(wanted) - number
        if not own.exact:
            about = f", about {left * sum(took) / len(took) / 60:.0f} min left" if took else ""
            log.info("%d of %d: %s, seed %d%s", number + 1, len(wanted), variant, seed, about)
        trial = Trial(own.variants[variant], scale, seed, folder / "runs" / stem)
        if not own.exact:
            make_folder(folder / "runs")
        began = time.monotonic()
        measured = own.measure(trial)
        took.append(time.monotonic() - began)
        values = {name: float(value) for name, value in measured.values.items()}
        curves = {
            name: [[float(x) for x in axis] for axis in pair]
            for name, pair in measured.curves.items()
        }
        cell = Cell(variant, seed, took[-1], values, curves)
        write_text(path, json.dumps(rounded(dataclasses.asdict(cell))) + "\n")
        # Its checkpoints are no longer needed, and networks lie in circles of references.
        shutil.rmtree(trial.folder / "checkpoints", ignore_errors=True)
        gc.collect()
        yield _read(path)


def _read(path: pathlib.Path) -> Cell:
    values = read_json(path, dict[str, object], "a cell of an experiment")
    try:
        return from_plain(Cell, values, "a cell of an experiment")
    except ValueError as error:
        raise UserError(f"{str(path)!r} is damaged: {error}") from error


def machine() -> str:
    """Model and number of cores of the processor that this process may use."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = re.search(r"^model name\s*: (.+)$", text, re.M)
    except OSError:
        model = None
    return f"{model[1] if model else platform.processor() or platform.machine()}, {cores()} cores"
