"""What trainings of the targets found, the runner that adds to it, and the page."""

from __future__ import annotations

import dataclasses
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
    assert "kerasnets train --model lenet5 --data mnist --augment none --seed 0" in page
    assert "Not run yet: " in page
    assert "`lenet5`, " not in page.partition("Not run yet")[2]
    assert len(report.figure().axes) == 1


def test_seeds_that_are_there_are_not_trained_again(folder, monkeypatch, capfd):
    target = Target(
        model="lenet5_modern", data="digits", arguments="--epochs 1", source="-", seeds=2
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
