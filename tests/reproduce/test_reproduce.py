"""What trainings of the targets found, the runner that adds to it, and the page."""

from __future__ import annotations

import dataclasses
import shutil
import sys

import pytest

from benchmarks.reproduce import __main__ as runner
from benchmarks.reproduce import report, results
from benchmarks.reproduce.results import known, outcome
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
    assert config.recipe.augment == ("none" if name == "lenet5" else config.recipe.augment)


def test_an_outcome_is_what_its_run_found(short_run, folder):
    found = outcome(short_run.folder, seed=0)
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
    dataclasses.replace(found, seed=1, accuracy=50.0).append("lenet5")
    assert [each.accuracy for each in known("lenet5")] == [found.accuracy, 50.0]


def test_the_page_shows_mean_and_deviation_beside_the_paper(short_run, folder):
    found = outcome(short_run.folder, seed=0)
    for seed, accuracy in enumerate((99.0, 99.2, 99.4)):
        dataclasses.replace(found, seed=seed, accuracy=accuracy).append("lenet5")
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
    stopped = outcome(folder / "run", seed=0)
    assert (stopped.accuracy, stopped.epochs) == (None, 3)
    (folder / "run" / "history.csv").unlink()
    assert outcome(folder / "run", seed=0).epochs == 0
    stopped.append("resnet20")
    page = report.page()
    assert "| `resnet20` | 91.25 |  |  | 0 | 3 of 182 |" in page
    best, error = stopped.best_validation[0], stopped.curve[-1]
    assert f"Seed 0, stopped after epoch 3 of 182: training error {error:.2f} %, acc" in page
    assert f"of it {best:.2f} % at best." in page
    dataclasses.replace(stopped, accuracy=91.0, epochs=182).append("resnet20")
    page = report.page()
    assert "| `resnet20` | 91.25 | 91.00 |  | 1 | 182 |" in page
    assert "Seed 0: 91.00 %." in page
    assert "stopped" not in page.partition("## resnet20\n")[2]


@pytest.mark.parametrize(("answer", "well"), [(0, True), (130, True), (1, False)])
def test_a_training_is_stopped_as_by_ctrl_c(answer, well):
    # A shell is there in milliseconds, however much the machine has to do.
    waits = ["sh", "-c", f"trap 'exit {answer}' INT; sleep 60 & wait"]
    assert runner.completes(waits, minutes=1 / 60) is well
    assert runner.completes([sys.executable, "-c", f"exit({answer})"], None) is (answer == 0)


def test_seeds_that_are_there_are_not_trained_again(folder, monkeypatch, capfd):
    target = Target(
        model="lenet5_modern",
        data="digits",
        called="digits",
        arguments="--epochs 1",
        source="-",
        seeds=2,
    )
    monkeypatch.setitem(TARGETS, "tiny", target)
    words = ["reproduce", "tiny", "--runs", str(folder / "runs")]
    monkeypatch.setattr(sys, "argv", [*words, "--seeds", "1"])
    runner.main()
    (first,) = known("tiny")
    assert first.epochs == 1
    monkeypatch.setattr(sys, "argv", words)
    runner.main()
    assert [each.seed for each in known("tiny")] == [0, 1]
    assert known("tiny")[0] == first
    assert capfd.readouterr().out.count("tiny, seed") == 2
