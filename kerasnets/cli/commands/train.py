"""``kerasnets train``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import pathlib
import shlex
from dataclasses import dataclass

from tyro.conf import AvoidSubcommands, OmitArgPrefixes

from kerasnets.config.recipes import recipe
from kerasnets.config.training import TrainConfig, default_recipe
from kerasnets.errors import UserError
from kerasnets.files import check_writable
from kerasnets.registry import info

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Train:
    """Train a network, evaluate it on the held-out split, draw the curves and export it.

    Without flags: LeNet-5 on the handwritten digits that come with scikit-learn.
    """

    config: OmitArgPrefixes[AvoidSubcommands[TrainConfig]]
    resume: bool = False
    """Go on where the run in --out (or the latest run of this network and data) stopped."""
    export: bool = True
    """Write a SavedModel at the end."""
    savedmodels: pathlib.Path = pathlib.Path("savedmodels")
    """Where SavedModels are written, as NAME/VERSION."""

    @classmethod
    def defaults(cls, arguments: list[str]) -> Train:
        """The flags' defaults, which depend on the recipe, the network, the data, or the run."""
        known = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        for name in ("model", "data", "recipe", "out"):
            known.add_argument(f"--{name}")
        known.add_argument("--resume", action="store_true")
        try:
            given, _ = known.parse_known_args(arguments)
        except argparse.ArgumentError as error:
            raise UserError(str(error)) from None
        config = TrainConfig()
        model, data = given.model or config.model, given.data or config.data
        chosen = recipe(given.recipe) if given.recipe else default_recipe(model, data)
        config = dataclasses.replace(config, model=model, data=data, recipe=chosen)
        if given.resume:
            config = _resumed(config, given.out)
        return cls(config=config)

    def run(self) -> None:
        from kerasnets.training.callbacks import Interrupted
        from kerasnets.training.distribution import is_chief
        from kerasnets.training.trainer import train

        chief = is_chief(self.config)
        if chief and self.export:
            check_writable(self.savedmodels / info(self.config.model).name)
        try:
            run = train(self.config, resume=self.resume)
        except Interrupted as stop:
            log.info("Stopped after step %d; everything is saved. Go on with:", stop.step)
            log.info("  kerasnets train --out %s --resume", shlex.quote(str(stop.folder)))
            raise KeyboardInterrupt from None
        if not chief:
            return
        log.info("The run is in %s: curves.png, confusion.png, metrics.json.", run.folder)
        if not self.export:
            return
        from kerasnets.export import export_run

        exported = export_run(run, self.savedmodels / run.config.model)
        log.info("Exported to %s. Next, ask it about an image:", exported)
        log.info("  kerasnets predict %s IMAGE", shlex.quote(str(exported.parent)))


def _resumed(config: TrainConfig, out: str | None) -> TrainConfig:
    """The configuration that the run to resume was started with."""
    from kerasnets.runs.run import Run, run_folder

    config = dataclasses.replace(config, out=pathlib.Path(out) if out else None)
    return Run.load(run_folder(config, resume=True)).config
