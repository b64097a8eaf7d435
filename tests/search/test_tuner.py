"""Studies of short real trainings, in this process and in several."""

import contextlib
import csv
import dataclasses
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import optuna
import pytest

from kerasnets import Run, TrainConfig, UserError, recipe
from kerasnets.cli.main import parse
from kerasnets.runs.history import read_history
from kerasnets.search import study as study_module
from kerasnets.search.report import best_command, header, leaders, write_study
from kerasnets.search.space import Parameter, Space
from kerasnets.search.study import ATTEMPTS, RUN, Study
from kerasnets.search.tuner import tune
from tests.conftest import nothing_drawn

pytestmark = pytest.mark.usefixtures("without_pictures")
ROOT = pathlib.Path(__file__).parent.parent.parent
CONFIG = TrainConfig(model="lenet5_modern", recipe=recipe("digits", epochs=1))
RATES = Space({"learning_rate": Parameter(low=1e-4, high=1e-2, log=True)})


def chosen(**values) -> Space:
    return Space({name: Parameter(choices=(value,)) for name, value in values.items()})


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.trials]


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Study:
    """A study of two trials."""
    study = Study.open(tmp_path_factory.mktemp("studies") / "study", CONFIG, RATES)
    with nothing_drawn():
        tune(study, 2)
    return study


def test_each_trial_is_a_run_of_its_values(searched):
    assert states(searched) == ["COMPLETE"] * 2
    for trial in searched.trials:
        run = Run.load(searched.folder / "trials" / f"{trial.number:04d}")
        assert run.finished
        assert run.recipe.learning_rate == trial.params["learning_rate"]
        rows = read_history(run.folder / "history.csv")
        assert trial.intermediate_values == {row["epoch"]: row["val_accuracy"] for row in rows}
        assert trial.value == rows[-1]["val_accuracy"]
    assert len({trial.params["learning_rate"] for trial in searched.trials}) == 2


def test_a_study_that_has_its_trials_gets_no_more(searched):
    again = Study.open(searched.folder, CONFIG, RATES)
    tune(again, 2)
    assert len(again.trials) == 2


def test_the_values_follow_from_the_seed(searched, tmp_path):
    other = Study.open(tmp_path / "study", CONFIG, RATES)
    for trial in searched.trials:
        drawn = other.optuna
        drawn.sampler = optuna.samplers.TPESampler(seed=trial.number, n_startup_trials=3)
        asked = drawn.ask(RATES.distributions())
        drawn.tell(asked, trial.value)
        assert asked.params == trial.params


def test_the_report_has_a_row_for_each_trial_and_two_pictures(searched):
    files = write_study(searched)
    assert [path.name for path in files] == ["trials.csv", "parallel.png", "importance.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files[1:])
    with files[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete"] * 2
    assert [float(row["learning_rate"]) for row in rows] == [
        trial.params["learning_rate"] for trial in searched.trials
    ]
    best = max(searched.trials, key=lambda trial: trial.value)
    assert (searched.folder / "best").resolve().name == f"{best.number:04d}"
    assert header(searched)[:3] == ("trial", "state", "accuracy")
    numbers = dataclasses.replace(CONFIG, task="regression")
    assert header(dataclasses.replace(searched, config=numbers))[2] == "R2"
    assert leaders(searched)[0][:3] == (best.number, "complete", f"{best.value:.4f}")


def test_the_command_repeats_the_best_run(searched):
    command = best_command(searched)
    best = max(searched.trials, key=lambda trial: trial.value)
    run = Run.load(searched.folder / "trials" / f"{best.number:04d}")
    again = parse(shlex.split(command)[1:]).config.resolved()
    assert again.recipe == run.recipe
    assert again.out is None
    assert (again.model, again.data, again.seed) == ("lenet5_modern", "digits", 0)


@pytest.mark.parametrize(
    ("config", "space", "message"),
    [
        (
            TrainConfig(model="lenet5", recipe=CONFIG.recipe),
            RATES,
            "has model 'lenet5_modern', not",
        ),
        (TrainConfig(model="lenet5_modern", data="mnist", recipe=CONFIG.recipe), RATES, "has data"),
        (CONFIG, chosen(epochs=2), "has the space learning_rate with ranges of its own"),
    ],
)
def test_a_study_of_something_else_is_refused(searched, config, space, message):
    with pytest.raises(UserError, match=rf"The study in '.*' {message}.*another --study"):
        Study.open(searched.folder, config, space)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("Chapter 1")
    with pytest.raises(UserError, match="is no folder of a study and not empty"):
        Study.open(tmp_path, CONFIG, RATES)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_which_another_process_begins_the_study_is_its_own(tmp_path):
    """Two processes that start together, and one that was killed before it had written anything."""
    (tmp_path / ".locks").mkdir()
    (tmp_path / ".locks" / "study").touch()
    (tmp_path / ".partial-study.json").touch()
    assert Study.open(tmp_path, CONFIG, RATES).trials == []


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(study_module, "installed", lambda _: False)
    with pytest.raises(UserError, match=r"needs optuna: pip install 'kerasnets\[tune\]'"):
        Study.open(tmp_path / "study", CONFIG, RATES)


def test_what_is_behind_the_median_is_pruned_from_the_fifth_trial_on(tmp_path):
    config = TrainConfig(model="lenet5_modern", recipe=recipe("digits", epochs=20))
    found = Study.open(tmp_path / "study", config, RATES).optuna

    def pruned(accuracy: float) -> list[int]:
        """The epochs at which a trial of this accuracy would be ended."""
        trial, epochs = found.ask(RATES.distributions()), []
        for epoch in range(1, 21):
            trial.report(accuracy, epoch)
            epochs += [epoch] if trial.should_prune() else []
        found.tell(trial, accuracy)
        return epochs

    assert [pruned(accuracy) for accuracy in (0.9, 0.1, 0.9, 0.9)] == [[]] * 4
    assert pruned(0.95) == []
    # Not in the first fifth of the epochs.
    assert pruned(0.5)[0] in (4, 5)
    assert found.best_value == 0.95


def test_trials_that_are_behind_are_pruned(tmp_path, monkeypatch):
    monkeypatch.setattr(
        study_module, "_pruner", lambda _: optuna.pruners.ThresholdPruner(lower=0.99)
    )
    config = TrainConfig(model="lenet5_modern", recipe=recipe("digits", epochs=3))
    study = Study.open(tmp_path / "study", config, chosen(learning_rate=1e-6))
    tune(study, 1)
    assert states(study) == ["PRUNED"]
    run = Run.load(study.folder / "trials" / "0000")
    assert run.trained_epochs == 1
    assert not run.finished
    with write_study(study)[0].open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["state"], row["epochs"]) == ("pruned", "1")


def test_a_training_that_diverges_or_cannot_be_is_told_and_the_next_begins(tmp_path):
    wild = CONFIG.recipe
    wild = TrainConfig(
        model="lenet5_modern", recipe=recipe("digits", epochs=1, warmup_epochs=0, optimizer="sgd")
    )
    study = Study.open(tmp_path / "wild", wild, chosen(learning_rate=1e30))
    tune(study, 1)
    assert states(study) == ["PRUNED"]
    assert "The loss is" in study.trials[0].user_attrs["reason"]
    both = Study.open(tmp_path / "both", CONFIG, chosen(mixup=0.2, cutmix=0.2))
    tune(both, 2)
    assert states(both) == ["FAIL", "FAIL"]
    assert both.trials[1].user_attrs["reason"] == "A batch takes mixup or cutmix, not both."


def test_trials_need_a_validation_split(tmp_path):
    config = TrainConfig(
        model="lenet5_modern", recipe=recipe("digits", epochs=1, validation_fraction=0)
    )
    study = Study.open(tmp_path / "study", config, RATES)
    with pytest.raises(UserError, match="hold one out with --validation-fraction 0.1"):
        tune(study, 1)
    assert study.trials == []


def test_after_the_timeout_no_trial_begins(tmp_path):
    study = Study.open(tmp_path / "study", CONFIG, RATES)
    tune(study, 3, timeout=1e-9)
    assert study.trials == []


def test_a_trial_whose_process_is_gone_makes_way_for_one_of_its_values(tmp_path):
    """Locks tell who lives; those of a process that is killed are free."""
    study = Study.open(tmp_path / "study", CONFIG, RATES)
    with contextlib.ExitStack() as alive:
        with contextlib.ExitStack() as dying:
            first = study.begin(2, dying)
            second = study.begin(2, alive)
            assert study.begin(2, alive) is None
        again = study.begin(2, alive)
        assert states(study) == ["FAIL", "RUNNING", "RUNNING"]
        assert again.params == first.params != second.params
        assert study.run_folder(again.number, again.user_attrs).name == "0000"
        assert (study.begun, study.done) == (2, 0)
        assert leaders(study) == []
    # Each of the two is given up when it was begun as often as it may be.
    for _ in range(2 * ATTEMPTS):
        with contextlib.ExitStack() as dying:
            study.begin(2, dying)
    assert study.done == 2
    assert study.begin(2, contextlib.ExitStack()) is None
    assert len(study.trials) == 2 * ATTEMPTS


COMMAND = ("tune", "--model", "lenet5_modern", "--study", "study", "--seed", "5")


def started(folder: pathlib.Path, *flags: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "kerasnets.cli.main", *COMMAND, *map(str, flags)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process: subprocess.Popen, folder: pathlib.Path, pattern: str) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_trial_goes_on_and_two_processes_share_a_study(tmp_path):
    """Killed in its second epoch; then two processes bring the study to two trials."""
    flags = ("--trials", 2, "--epochs", 4)
    first = started(tmp_path, *flags)
    wait_for(first, tmp_path, "study/trials/0000/checkpoints/step_*.safetensors")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    both = [started(tmp_path, *flags) for _ in range(2)]
    shown = [process.communicate(timeout=280)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], shown
    assert any("going on from step" in text for text in shown)
    assert all("kerasnets train --model lenet5_modern" in text for text in shown)
    config = TrainConfig(model="lenet5_modern", seed=5, recipe=recipe("digits", epochs=4))
    command = parse([*COMMAND, *map(str, flags)])
    assert command.config == config.resolved()
    from kerasnets.search.space import space

    study = Study.open(tmp_path / "study", config, space("optimization", config))
    assert states(study)[0] == "FAIL"
    kept = [trial for trial in study.trials if trial.state.name != "FAIL"]
    assert len(kept) == 2
    (retried,) = [trial for trial in kept if trial.user_attrs.get(RUN) == "0000"]
    assert retried.params == study.trials[0].params
    assert len({trial.params["learning_rate"] for trial in kept}) == 2
    assert len(list((tmp_path / "study" / "trials").iterdir())) == 2
