"""What trainings of the targets found, the runner that adds to it, and the page."""

from __future__ import annotations

import dataclasses
import shutil
import sys

import pytest

from benchmarks.reproduce import __main__ as runner
from benchmarks.reproduce import report, results
from benchmarks.reproduce.results import earlier, known, outcome
from benchmarks.reproduce.targets import TARGETS, Target
from kerasnets.cli.main import parse


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of results of its own."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    (tmp_path / "results").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_resolves_to_a_training(name):
    config = parse(TARGETS[name].words(3)).config.resolved()
    assert (config.model, config.data, config.seed) == (TARGETS[name].model, TARGETS[name].data, 3)


def test_each_result_says_its_command_and_that_of_the_target_counts():
    kept = {name: known(name) for name in TARGETS}
    assert sum(map(len, kept.values())) > 20
    assert TARGETS["lenet5"].words(0)[-4:] == ["--augment", "none", "--seed", "0"]
    before = earlier("resnet20-one-cycle")
    assert len({each.words for each in before}) == len(before) >= 2
    assert all([*each.words] != TARGETS["resnet20-one-cycle"].words(each.seed) for each in before)
    for name, outcomes in kept.items():
        for each in outcomes:
            assert list(each.words) == TARGETS[name].words(each.seed)


def test_results_of_another_command_are_shown_apart(short_run, folder, monkeypatch):
    told = TARGETS["lenet5"].words(0)
    outcome(short_run.folder, 0, told).append("lenet5")
    assert [each.seed for each in known("lenet5")] == [0]
    assert earlier("lenet5") == ()
    monkeypatch.setitem(TARGETS, "lenet5", dataclasses.replace(TARGETS["lenet5"], arguments=""))
    assert known("lenet5") == ()
    assert "| `lenet5` |" not in report.page()
    other = outcome(short_run.folder, 0, TARGETS["lenet5"].words(0))
    dataclasses.replace(other, accuracy=12.34).append("lenet5")
    page = report.page()
    assert "| `lenet5` | 99.05 | 12.34 |" in page
    before = outcome(short_run.folder, 0, told)
    assert f"Before, by `kerasnets {' '.join(told)}`: {before}, training error" in page


def test_an_outcome_is_what_its_run_found(short_run, folder):
    found = outcome(short_run.folder, 0, TARGETS["lenet5"].words(0))
    assert found.accuracy == pytest.approx(100 * short_run.metrics()["top1"], abs=0.005)
    assert found.epochs == len(found.curve) == 3
    assert found.curve[-1] == pytest.approx(
        100 * (1 - short_run.history()["accuracy"][-1]), abs=1e-3
    )
    validation = list(short_run.history()["val_accuracy"])
    assert found.best_validation == (
        pytest.approx(100 * max(validation), abs=0.005),
        validation.index(max(validation)) + 1,
    )
    found.append("lenet5")
    _of_seed(found, "lenet5", 1, accuracy=50.0).append("lenet5")
    assert [each.accuracy for each in known("lenet5")] == [found.accuracy, 50.0]


def test_the_page_shows_mean_and_deviation_beside_the_paper(short_run, folder):
    found = outcome(short_run.folder, 0, TARGETS["lenet5"].words(0))
    for seed, accuracy in enumerate((99.0, 99.2, 99.4)):
        _of_seed(found, "lenet5", seed, accuracy=accuracy).append("lenet5")
    page = report.page()
    assert "| `lenet5` | 99.05 | 99.20 | 0.20 | 3 | 3 |" in page
    row = "| `lenet5` | MNIST | 99.05 | 99.20 ± 0.20 | 3 | `make reproduce TARGET=lenet5` |"
    assert row in report.section()
    assert "kerasnets train --model lenet5 --data mnist --augment none --seed 0" in page
    assert "Not run yet: " in page
    assert "`lenet5`, " not in page.partition("Not run yet")[2]
    assert len(report.figure().axes) == 1


def test_an_unfinished_training_is_on_the_page_until_a_later_sitting(short_run, folder):
    shutil.copytree(short_run.folder, folder / "run")
    (folder / "run" / "metrics.json").unlink()
    words = TARGETS["resnet20"].words(0)
    stopped = outcome(folder / "run", 0, words)
    assert (stopped.accuracy, stopped.epochs) == (None, 3)
    (folder / "run" / "history.csv").unlink()
    assert outcome(folder / "run", 0, words).epochs == 0
    stopped.append("resnet20")
    page = report.page()
    assert "| `resnet20` | 91.25 |  |  | 0 | 3 of 182 |" in page
    best, error = stopped.best_validation[0], stopped.curve[-1]
    assert f"Seed 0, stopped after epoch 3 of 182: training error {error:.2f} %, acc" in page
    assert f"of it {best:.2f} % at best." in page
    dataclasses.replace(stopped, accuracy=91.0, epochs=182, seconds=6000).append("resnet20")
    _of_seed(stopped, "resnet20", 1, seconds=60).append("resnet20")
    page = report.page()
    assert "| `resnet20` | 91.25 | 91.00 |  | 1 | 182 | 100.0 |" in page
    assert "Seed 0: 91.00 %." in page
    assert page.partition("## resnet20\n")[2].count("stopped after") == 1
    stopped.append("resnet20")
    assert [each.accuracy for each in known("resnet20")] == [91.0, None]


@pytest.mark.parametrize(("answer", "well"), [(0, True), (130, True), (1, False)])
def test_a_training_is_stopped_as_by_ctrl_c(answer, well):
    # A shell has its trap in milliseconds; in seconds where the machine has much to do.
    waits = ["sh", "-c", f"trap 'exit {answer}' INT; sleep 60 & wait"]
    assert runner.completes(waits, minutes=1 / 20) is well
    assert runner.completes([sys.executable, "-c", f"exit({answer})"], None) is (answer == 0)


def test_seeds_are_trained_again_unless_the_missing_alone_are_wanted(folder, monkeypatch, capfd):
    target = Target(
        model="lenet5_modern",
        data="digits",
        called="digits",
        arguments="--epochs 1",
        source="-",
        seeds=2,
    )
    monkeypatch.setitem(TARGETS, "tiny", target)

    def run(runs, *words):
        told = ["reproduce", "tiny", "--runs", str(folder / runs), *words]
        monkeypatch.setattr(sys, "argv", told)
        runner.main()

    run("runs", "--seeds", "1")
    (first,) = known("tiny")
    assert (first.epochs, list(first.words)) == (1, target.words(0))
    capfd.readouterr()
    run("runs", "--missing")
    assert [each.seed for each in known("tiny")] == [0, 1]
    assert not (folder / "elsewhere").exists()
    told = capfd.readouterr().out
    assert f"tiny, seed 0: {first} on {first.day}, not trained again" in told
    # What its folder holds is finished.
    run("runs")
    assert capfd.readouterr().out.count("to train it again remove") == 2
    assert len(results.read(results.FOLDER / "tiny.jsonl", results.Outcome)) == 2
    run("elsewhere", "--seeds", "1")
    assert (folder / "elsewhere" / "tiny-0" / "metrics.json").exists()
    assert f"tiny, seed 0: {first}; before {first}" in capfd.readouterr().out


def _of_seed(found, target, seed, **changes):
    words = tuple(TARGETS[target].words(seed))
    return dataclasses.replace(found, seed=seed, words=words, **changes)
