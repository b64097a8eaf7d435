"""``kerasnets train``."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
import shlex
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from kerasnets.cli.checks import check_data, check_network, check_run, is_run
from kerasnets.cli.flags import flags_of
from kerasnets.cli.loading import load_tensorflow
from kerasnets.config.options import parse_options
from kerasnets.config.recipe_fields import Recipe
from kerasnets.config.training import TrainConfig, default_recipe, for_task
from kerasnets.errors import UserError
from kerasnets.files import check_writable
from kerasnets.plotting import check_picture
from kerasnets.registry import info

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
        weights = arg(
            metavar="balanced|FILE",
            help="Weights of the classes in the loss: balanced, for classes of different sizes, or "
            "a CSV, JSON or TOML file of class and weight; all are 1 if not given.",
        )
        return {
            **flags_of(TrainConfig, "recipe", "extensions", "class_weights", "fold"),
            **flags_of(cls, "config"),
            "recipe": Annotated[str, chosen],
            "class_weights": Annotated[str, weights],
            **flags_of(Recipe, "name", "source", "reported", default="the recipe's"),
        }

    @classmethod
    def from_flags(cls, given: dict[str, Any]) -> Train:
        """The command; what is not given comes from the resumed run, the recipe or the defaults."""
        from kerasnets.config.class_weights import read_class_weights
        from kerasnets.config.recipes import recipe

        def taken(kind: type) -> dict[str, Any]:
            names = [field.name for field in dataclasses.fields(kind) if field.name in given]
            return {name: given.pop(name) for name in names}

        own, run = taken(cls), taken(TrainConfig)
        if run.get("class_weights", "balanced") != "balanced":
            run["class_weights"] = read_class_weights(pathlib.Path(run["class_weights"]))
        if "recipe" in run:
            run["recipe"] = recipe(run["recipe"])
        config = TrainConfig(**run)
        if own.get("resume"):
            config = dataclasses.replace(_resumed(config, given.get("epochs")), **run)
        chosen = config.recipe or default_recipe(config.model, config.data)
        if "loss" not in given:
            chosen = for_task(chosen, config.task)
        config = dataclasses.replace(config, recipe=dataclasses.replace(chosen, **given))
        return cls(config, **own)

    @property
    def _crosses(self) -> bool:
        """Whether all folds of a cross-validation are trained, and not one alone."""
        return self.config.folds is not None and self.config.fold is None

    def _cross_validate(self) -> None:
        from kerasnets.runs.folds import FIGURES, OUT_OF_FOLD
        from kerasnets.training.folds import cross_validate

        found = cross_validate(self.config, resume=self.resume)
        log.info("%s", found)
        log.info("The runs are in %s, with %s and %s.", found.folder, FIGURES, OUT_OF_FOLD)

    def run(self) -> None:
        from kerasnets.runs.folder import earlier_run, in_use, run_folder
        from kerasnets.runs.folds import check_folds
        from kerasnets.training.networks import GIVEN

        config = self.config
        check_network(config.model, parse_options(config.options, GIVEN), config.weights)
        check_data(config.data, config.task)
        if config.teacher is not None and is_run(config.teacher):
            check_run(config.teacher)
        elif config.teacher is not None:
            info(config.teacher)
        if self.find_learning_rate is not None:
            _find_learning_rate(config, self.find_learning_rate)
            return
        # What a cluster's other workers cannot write, its first one can.
        if not config.worker:
            folder = run_folder(config, self.resume)
            check_writable(folder)
            in_cluster = config.cluster is not None or "TF_CONFIG" in os.environ
            resolved = config.resolved()
            if self._crosses:
                check_folds(resolved, folder, resume=self.resume)
            else:
                earlier_run(folder, resolved, resume=self.resume, restarted=in_cluster)
            if self.resume and not self._crosses:
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
            if self._crosses:
                self._cross_validate()
                return
            run = train(config, resume=self.resume)
        except Interrupted as stop:
            folder = stop.folder.parent if self._crosses else stop.folder
            log.info("Stopped after step %d; everything is saved. Go on with:", stop.step)
            log.info("  kerasnets train --out %s --resume", shlex.quote(str(folder)))
            raise KeyboardInterrupt from None
        if not is_chief(config):
            return
        log.info("The run is in %s: curves.png, metrics.json.", run.folder)
        if self.export:
            from kerasnets.export import export_run

            exported = export_run(run, self.savedmodels / run.config.model)
            log.info("Exported to %s. Next, ask it about an image:", exported)
            log.info("  kerasnets predict %s IMAGE", shlex.quote(str(exported.parent)))
        log.info("Report, for a browser: %s", run.folder / REPORT)


def _find_learning_rate(config: TrainConfig, picture: pathlib.Path) -> None:
    """The test of learning rates in the place of a training."""
    check_picture(picture, "--find-learning-rate")
    if config.folds is not None:
        raise UserError("--find-learning-rate is for one training, not for --folds.")
    load_tensorflow(keras="tensorflow")
    from kerasnets.search.learning_rate import find_learning_rate

    found = find_learning_rate(config)
    found.save(picture)
    log.info("The loss over the rate is drawn in %s. Halfway from its fastest fall to", picture)
    log.info("its lowest, as the highest rate of a schedule:")
    log.info("  --learning-rate %.2g", found.suggested)


def _resumed(config: TrainConfig, epochs: int | None) -> TrainConfig:
    """The configuration of the run, or of the cross-validation, to resume."""
    from kerasnets.runs.folder import check_epochs, run_folder
    from kerasnets.runs.folds import cross_validation
    from kerasnets.runs.run import Run

    folder = run_folder(config, resume=True)
    # The folder may have been moved or copied since it was written.
    if whole := cross_validation(folder):
        return dataclasses.replace(whole, out=folder)
    earlier = Run.load(folder)
    if epochs is not None and earlier.finished:
        check_epochs(earlier, epochs)
    return dataclasses.replace(earlier.config, out=folder)
