"""``kerasnets tune``."""

from __future__ import annotations

import logging
import pathlib
import shlex
from dataclasses import dataclass
from typing import Any

from kerasnets.cli.checks import check_data, check_network
from kerasnets.cli.commands.train import Train
from kerasnets.cli.flags import flags_of
from kerasnets.cli.loading import load_tensorflow
from kerasnets.config.options import parse_options
from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError
from kerasnets.files import check_writable
from kerasnets.runs.folder import model_and_data

log = logging.getLogger("kerasnets")

# Flags of `train` for what a trial has of the study, or no place for.
_NOT_HERE = (
    *("resume", "export", "savedmodels", "find_learning_rate", "out", "cluster", "worker"),
    *("folds", "fold"),
)


@dataclass(frozen=True)
class Tune:
    """Search for the best values of a recipe or of a network's options.

    Each trial is a run; those that fall behind by the validation are ended early. The same command
    goes on with a study, and started several times, here or on machines that share the folder, all
    work on it. The flags of `train` say what is trained.
    """

    config: TrainConfig
    trials: int = 20
    """Number of trials that the study is to have in all."""
    space: str = "optimization"
    """What varies: optimization, augmentation, or a TOML file; see docs/tuning.md."""
    study: pathlib.Path | None = None
    """Folder of the study; studies/MODEL-DATA if not given."""
    timeout: float | None = None
    """Seconds after which no further trial begins."""

    @classmethod
    def flags(cls) -> dict[str, Any]:
        """The types of the flags by name: those of the command, and those of `train`."""
        train = {name: flag for name, flag in Train.flags().items() if name not in _NOT_HERE}
        return {**flags_of(cls, "config"), **train}

    @classmethod
    def from_flags(cls, given: dict[str, Any]) -> Tune:
        """The command; what is not given comes from the recipe or the defaults."""
        own = {name: given.pop(name) for name in flags_of(cls, "config") if name in given}
        return cls(Train.from_flags(given).config.resolved(), **own)

    def run(self) -> None:
        from kerasnets.search.space import space
        from kerasnets.search.study import Study, check_optuna
        from kerasnets.training.networks import GIVEN

        if self.trials < 1:
            raise UserError(f"--trials must be at least 1. Received: {self.trials}.")
        if self.timeout is not None and not self.timeout > 0:
            raise UserError(f"--timeout must be more than 0 seconds. Received: {self.timeout}.")
        config = self.config
        check_network(config.model, parse_options(config.options, GIVEN), config.weights)
        check_data(config.data, config.task)
        check_optuna()
        varied = space(self.space, config)
        folder = self.study or pathlib.Path("studies", model_and_data(config))
        check_writable(folder)
        study = Study.open(folder, config, varied)
        stopped = False
        if study.done < self.trials:
            load_tensorflow(keras="tensorflow")
            from kerasnets.search.tuner import tune
            from kerasnets.training.callbacks import Interrupted

            try:
                tune(study, self.trials, self.timeout)
            except Interrupted:
                stopped = True
        _tell(study)
        if stopped:
            log.info("Stopped; everything is saved, and the same command goes on.")
            raise KeyboardInterrupt


def _tell(study: Any) -> None:
    """Prints the best trials, and writes what is known of all."""
    from kerasnets.cli.tables import show
    from kerasnets.runs.run import Run
    from kerasnets.search.report import best_command, header, leaders, write_study

    files = write_study(study)
    found = leaders(study)
    if not found:
        log.info("No trial has come to its end yet; see %s.", files[0])
        return
    show(header(study), found, left=("run",))
    log.info("All trials: %s", ", ".join(map(str, files)))
    best = found[0][-1]
    split = str(Run.load(str(best)).metrics()["split"])
    chose = "which chose nothing" if split == "test" else "by which it was chosen"
    log.info("The best run is %s. Its %s images, %s:", best, split, chose)
    log.info("  kerasnets report %s", shlex.quote(str(best)))
    log.info("To train it again:")
    log.info("  %s", best_command(study))
