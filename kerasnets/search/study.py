"""A study: a folder in which any number of processes try values, each trial a run.

Its trials are a journal of Optuna's, which needs no server: processes and machines that share the
folder share the study. ``study.json`` says what is trained and what varies.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasnets.config.training import TrainConfig, differences, from_json, to_json
from kerasnets.errors import UserError, shown
from kerasnets.files import locked, make_folder, parse_json, read_json, write_text
from kerasnets.lazy import installed
from kerasnets.runs.run import chosen_recipe
from kerasnets.search.space import Space

if TYPE_CHECKING:
    import optuna

STUDY = "study.json"
JOURNAL = "journal.log"
LOCKS = ".locks"
# What a study that is being begun, or was killed then, may have in its folder.
BEGUN = {LOCKS, f".partial-{STUDY}"}
# Facts of a trial: its run's folder, why it failed, and how often its run was begun so far.
RUN, REASON, ATTEMPT = "run", "reason", "attempt"
# A run whose process is killed this often, by a lack of memory perhaps, is given up.
ATTEMPTS = 3


def check_optuna() -> None:
    """Raises a `UserError` where Optuna is not installed."""
    if not installed("optuna"):
        raise UserError("A search needs optuna: pip install 'kerasnets[tune]'.")


@dataclass(frozen=True)
class Study:
    """A search in its folder.

    Attributes:
        folder: The folder.
        config: What every trial trains, but for the values that vary.
        space: What varies.
        optuna: The trials.
    """

    folder: pathlib.Path
    config: TrainConfig
    space: Space
    optuna: optuna.Study

    @classmethod
    def open(cls, folder: pathlib.Path, config: TrainConfig, space: Space) -> Study:
        """The study of a folder, which is begun where there is none.

        Args:
            folder: The folder.
            config: What every trial trains.
            space: What varies.

        Raises:
            UserError: When Optuna is not installed, the folder holds something else or a study of
                something else, or cannot be written.
        """
        check_optuna()
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        # Its lines about each trial would stand between those of the training.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        config = dataclasses.replace(config.resolved(), out=None)
        # Another process may be about to begin it.
        others = {each.name for each in folder.iterdir()} - BEGUN if folder.is_dir() else ()
        if others and not (folder / STUDY).is_file():
            raise UserError(
                f"{str(folder)!r} is no folder of a study and not empty; choose another --study."
            )
        make_folder(folder / LOCKS)
        with locked(folder / LOCKS / "study"):
            if (folder / STUDY).exists():
                _check_same(folder, config, space)
            else:
                kept = {"config": parse_json(to_json(config)), "space": space.plain()}
                write_text(folder / STUDY, json.dumps(kept, indent=2) + "\n")
            found = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
                study_name="kerasnets",
                direction="maximize",
                load_if_exists=True,
                pruner=_pruner(chosen_recipe(config).epochs),
            )
        return cls(folder, config, space, found)

    def begin(self, trials: int, held: contextlib.ExitStack) -> optuna.Trial | None:
        """The next trial; ``None`` where as many are done or under way as are wanted.

        A trial whose process is gone makes way for one of the same values, which goes on with its
        run.

        Args:
            trials: How many the study is to have.
            held: Gets the trial's lock, by which others see that its process lives.
        """
        import optuna

        with locked(self.folder / LOCKS / "study"):
            self._retire_dead()
            if self.begun >= trials:
                return None
            # A seed for each trial: processes would all draw the same by one, and a study that
            # goes on would begin its draws anew.
            number = len(self.optuna.trials)
            self.optuna.sampler = optuna.samplers.TPESampler(
                seed=self.config.seed + number, n_startup_trials=min(10, max(3, trials // 3))
            )
            trial = self.optuna.ask(self.space.distributions())
            held.enter_context(self._alive(trial.number))
            return trial

    @property
    def begun(self) -> int:
        """How many trials are done or under way; those that others go on with do not count."""
        return sum(not is_killed(trial.state.name, trial.user_attrs) for trial in self.trials)

    @property
    def done(self) -> int:
        """How many trials have come to an end."""
        return self.begun - sum(trial.state.name == "RUNNING" for trial in self.trials)

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """The trials that were begun, by number."""
        return [trial for trial in self.optuna.trials if trial.state.name != "WAITING"]

    def run_folder(self, number: int, facts: Mapping[str, Any]) -> pathlib.Path:
        """The folder of a trial's run: its own, or that of the trial that it goes on with."""
        return self.folder / "trials" / facts.get(RUN, f"{number:04d}")

    def _retire_dead(self) -> None:
        for trial in self.optuna.trials:
            if trial.state.name != "RUNNING":
                continue
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(self._alive(trial.number))
                except UserError:
                    continue  # its process lives
                self.optuna.tell(trial.number, state=_state("FAIL"))
            attempt = trial.user_attrs.get(ATTEMPT, 1)
            if attempt < ATTEMPTS:
                run = self.run_folder(trial.number, trial.user_attrs).name
                self.optuna.enqueue_trial(trial.params, {RUN: run, ATTEMPT: attempt + 1})

    def _alive(self, number: int) -> contextlib.AbstractContextManager[None]:
        return locked(self.folder / LOCKS / f"{number:04d}", f"Trial {number} is under way.")


def is_killed(state: str, facts: Mapping[str, Any]) -> bool:
    """Whether a trial's process was killed and another trial goes on with its run."""
    return state == "FAIL" and REASON not in facts and facts.get(ATTEMPT, 1) < ATTEMPTS


def _state(name: str) -> optuna.trial.TrialState:
    import optuna

    return optuna.trial.TrialState[name]


def _pruner(epochs: int) -> optuna.pruners.BasePruner:
    """Ends a trial that is behind the median of the others at the same epoch.

    Not in the first fifth, in which a warm-up may last, and not before four trials are done.
    """
    import optuna

    return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, epochs // 5))


def _check_same(folder: pathlib.Path, config: TrainConfig, space: Space) -> None:
    """Refuses a study of something else."""
    kept: Any = read_json(folder / STUDY, dict[str, dict[str, object]], "what a study searches")
    if kept.keys() != {"config", "space"}:
        raise UserError(f"{str(folder / STUDY)!r} is damaged: it must hold config and space.")
    earlier = from_json(json.dumps(kept["config"]), str(folder / STUDY))
    other = differences(earlier, config)
    found = [f"{name} {shown(own)}, not {shown(given)}" for name, (own, given) in other.items()]
    if kept["space"] != parse_json(json.dumps(space.plain())):
        found.append(f"the space {', '.join(kept['space'])} with ranges of its own")
    if found:
        raise UserError(
            f"The study in {str(folder)!r} has {'; '.join(found[:3])}. Choose another --study."
        )
