"""``kerasnets train``."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from kerasnets.cli.checks import check_data, check_network
from kerasnets.cli.flags import flags_of
from kerasnets.cli.loading import load_tensorflow
from kerasnets.config.options import parse_options
from kerasnets.config.recipe_fields import Recipe
from kerasnets.config.training import TrainConfig, default_recipe
from kerasnets.files import check_writable
from kerasnets.plotting import check_picture
from kerasnets.registry import info

if TYPE_CHECKING:
    from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Train:
    """Train a network, evaluate it, draw the curves and export it.

    Without flags: LeNet-5 on the handwritten digits that come with scikit-learn.
    """

    config: TrainConfig
    resume: bool = False
    """Resume the run in --out, or the latest of this network and data; --epochs N extends it."""
    export: bool = True
    """Write a SavedModel at the end."""
    savedmodels: pathlib.Path = pathlib.Path("savedmodels")
    """Folder in which the SavedModel is written, as NAME/VERSION."""
    find_learning_rate: pathlib.Path | None = None
    """Train some steps at a rising rate, draw the loss into this picture, suggest a rate, and stop;
    see docs/tuning.md."""

    @classmethod
    def flags(cls) -> dict[str, Any]:
        """The types of the flags by name: those of the command, the run and the recipe."""
        chosen = arg(
            help="Recipe to train by: a name of `kerasnets recipes`, or a TOML or JSON file.",
            help_behavior_hint="(default: that of the network or the data set)",
        )
        return {
            **flags_of(TrainConfig, "recipe", "extensions"),
            **flags_of(cls, "config"),
            "recipe": Annotated[str, chosen],
            **flags_of(Recipe, "name", "source", "reported", default="the recipe's"),
        }

    @classmethod
    def from_flags(cls, given: dict[str, Any]) -> Train:
        """The command; what is not given comes from the resumed run, the recipe or the defaults."""
        from kerasnets.config.recipes import recipe
        from kerasnets.runs.folder import check_epochs

        def taken(kind: type) -> dict[str, Any]:
            names = [field.name for field in dataclasses.fields(kind) if field.name in given]
            return {name: given.pop(name) for name in names}

        own, run = taken(cls), taken(TrainConfig)
        if "recipe" in run:
            run["recipe"] = recipe(run["recipe"])
        config = TrainConfig(**run)
        if own.get("resume"):
            earlier = _resumed(config)
            if "epochs" in given and earlier.finished:
                check_epochs(earlier, given["epochs"])
            config = dataclasses.replace(earlier.config, **run)
        chosen = config.recipe or default_recipe(config.model, config.data)
        config = dataclasses.replace(config, recipe=dataclasses.replace(chosen, **given))
        return cls(config, **own)

    def run(self) -> None:
        from kerasnets.runs.folder import earlier_run, in_use, run_folder
        from kerasnets.training.networks import GIVEN

        config = self.config
        check_network(config.model, parse_options(config.options, GIVEN), config.weights)
        check_data(config.data)
        if self.find_learning_rate is not None:
            _find_learning_rate(config, self.find_learning_rate)
            return
        # What a cluster's other workers cannot write, its first one can.
        if not config.worker:
            folder = run_folder(config, self.resume)
            check_writable(folder)
            in_cluster = config.cluster is not None or "TF_CONFIG" in os.environ
            resolved = config.resolved()
            earlier_run(folder, resolved, resume=self.resume, restarted=in_cluster)
            if self.resume:
                with in_use(folder):
                    pass  # told now, not after TensorFlow has loaded
            if self.export:
                check_writable(self.savedmodels / info(config.model).name)
        load_tensorflow(keras="tensorflow")
        from kerasnets.reports.page import REPORT
        from kerasnets.training.callbacks import Interrupted
        from kerasnets.training.distribution import is_chief
        from kerasnets.training.trainer import train

        try:
            run = train(config, resume=self.resume)
        except Interrupted as stop:
            log.info("Stopped after step %d; everything is saved. Go on with:", stop.step)
            log.info("  kerasnets train --out %s --resume", shlex.quote(str(stop.folder)))
            raise KeyboardInterrupt from None
        if not is_chief(config):
            return
        log.info("The run is in %s: curves.png, confusion.png, metrics.json.", run.folder)
        if self.export:
            from kerasnets.export import export_run

            exported = export_run(run, self.savedmodels / run.config.model)
            log.info("Exported to %s. Next, ask it about an image:", exported)
            log.info("  kerasnets predict %s IMAGE", shlex.quote(str(exported.parent)))
        log.info("Report, for a browser: %s", run.folder / REPORT)


def _find_learning_rate(config: TrainConfig, picture: pathlib.Path) -> None:
    """The test of learning rates in the place of a training."""
    check_picture(picture, "--find-learning-rate")
    load_tensorflow(keras="tensorflow")
    from kerasnets.search.learning_rate import find_learning_rate

    found = find_learning_rate(config)
    found.save(picture)
    log.info("The loss over the rate is drawn in %s. Halfway from its fastest fall to", picture)
    log.info("its lowest, as the highest rate of a schedule:")
    log.info("  --learning-rate %.2g", found.suggested)


def _resumed(config: TrainConfig) -> Run:
    """The run to resume."""
    from kerasnets.runs.folder import run_folder
    from kerasnets.runs.run import Run

    return Run.load(run_folder(config, resume=True))
