import csv
import dataclasses
import json
import os

import numpy as np
import pytest

from kerasnets import Run, TrainConfig, UserError, recipe
from kerasnets.cli.main import main
from kerasnets.data import load, write_tfrecords
from kerasnets.data.sources.arrays import from_arrays
from kerasnets.data.sources.splitting import with_fold
from kerasnets.data.sources.stratification import fold_of_each
from kerasnets.export import export_run
from kerasnets.files import write_csv
from kerasnets.runs.folds import CROSS_VALIDATION, FIGURES, OUT_OF_FOLD, read_out_of_fold
from kerasnets.training import cross_validate, train, trainer
from kerasnets.weights import read_tensors
from tests.conftest import nothing_drawn

pytestmark = pytest.mark.usefixtures("without_pictures")
SHORT = recipe("digits", epochs=1, augment="none")


def config(folder, **changes) -> TrainConfig:
    values = {"model": "lenet5_modern", "recipe": SHORT, "out": folder, "folds": 3, "log_to": ()}
    return TrainConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with nothing_drawn():
        return cross_validate(config(tmp_path_factory.mktemp("folds") / "whole"))


def table(folder):
    with (folder / OUT_OF_FOLD).open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_image_is_left_out_once_and_classes_are_even():
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] + np.zeros((40, 4, 4, 1), np.uint8)
    labels = np.repeat([0, 1], [30, 10])
    dataset = from_arrays({"train": (images, labels)}, ("a", "b"))
    seen = []
    for fold in range(1, 6):
        own = with_fold(dataset, 5, fold)
        assert np.bincount(own.split("test").labels).tolist() == [6, 2]
        left_out = own.split("test").records.values[:, 0, 0, 0]
        kept = own.split("train").records.values[:, 0, 0, 0]
        assert sorted([*left_out, *kept]) == list(range(40))
        seen += left_out.tolist()
    assert sorted(seen) == list(range(40))
    with pytest.raises(UserError, match="10 images of the class 'b' are too few for 11 folds"):
        with_fold(dataset, 11, 1)


def test_each_of_several_labels_is_spread_over_the_folds(rng):
    """Labels of 30 to 0.5 % of the images: of the rarest, five images, each fold gets one."""
    rates = np.array([0.3, 0.1, 0.05, 0.02])
    labels = (rng.random((1000, 5)) < [*rates, 0]).astype(np.float32)
    labels[rng.choice(1000, 5, replace=False), 4] = 1
    folds = fold_of_each(labels, 5)
    assert (np.abs(np.bincount(folds) - 200) <= 2).all()
    for own in labels.T:
        counts = np.bincount(folds[own > 0], minlength=5)
        assert np.ptp(counts) <= 1, counts
    np.testing.assert_array_equal(folds, fold_of_each(labels, 5))
    images = np.zeros((1000, 4, 4, 1), np.uint8)
    dataset = from_arrays({"train": (images, labels)}, tuple("abcde"))
    dataset = dataclasses.replace(dataset, task="multilabel")
    assert with_fold(dataset, 5, 2).split("test").labels[:, 4].sum() == 1


def test_a_cross_validation_leaves_runs_figures_and_answers(whole):
    assert [run.config.fold for run in whole.runs] == [1, 2, 3]
    figures = json.loads((whole.folder / FIGURES).read_text())
    values = [run.metrics()["top1"] for run in whole.runs]
    assert figures["top1"]["values"] == values
    assert figures["top1"]["mean"] == pytest.approx(np.mean(values))
    assert figures["top1"]["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert f"top1 {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}" in str(whole)
    rows = table(whole.folder)
    # An image has one name, whichever fold left it out.
    assert len({row["image"] for row in rows}) == len(rows)
    assert len(rows) == load("digits").split("train").size
    for fold, accuracy in enumerate(values, start=1):
        own = [row for row in rows if row["fold"] == str(fold)]
        right = np.mean([row["true"] == row["predicted"] for row in own])
        assert right == pytest.approx(accuracy)
        sums = [sum(float(row[name]) for name in "0123456789") for row in own]
        np.testing.assert_allclose(sums, 1, atol=1e-4)


def test_an_export_of_a_fold_is_measured_on_what_the_fold_left_out(whole, tmp_path, capsys):
    run = whole.runs[1]
    version = export_run(run, tmp_path / "export")
    main(["evaluate", str(version)])
    first, second = capsys.readouterr().out.splitlines()
    assert f"top-1 {run.metrics()['top1']:.2%}" in first
    assert f"on {run.metrics()['images']} images" in first
    assert "costs 0.00 percentage points" in second or "costs -0.00" in second


def test_a_fold_is_measured_on_the_whole_test_of_other_data(whole, tmp_path, capsys):
    run, pixels = whole.runs[0], load("digits").split("test").take(np.arange(60))
    write_tfrecords(dataclasses.replace(load("digits"), splits={"test": pixels}), tmp_path / "data")
    main(["evaluate", str(run.folder), "--data", f"records:{tmp_path / 'data'}"])
    assert "on 60 images" in capsys.readouterr().out


def test_names_that_are_no_utf8_are_read_again(tmp_path):
    header = ("fold", "image", "true", "predicted", "a", "b")
    name = os.fsdecode(b"caf\xe9.png")
    write_csv(tmp_path / OUT_OF_FOLD, header, [(1, name, "b", "a", 0.75, 0.25)])
    names, classes, labels, said = read_out_of_fold(tmp_path)
    assert (names, classes) == ((name,), ("a", "b"))
    assert (labels.tolist(), said.tolist()) == ([1], [[0.75, 0.25]])


def test_a_stopped_cross_validation_goes_on(whole, tmp_path, monkeypatch):
    own, trained = config(tmp_path / "again"), []

    def train_two(config, **options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(config.fold)
        return train(config, **options)

    monkeypatch.setattr("kerasnets.training.folds.train", train_two)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(own)
    assert not (tmp_path / "again" / FIGURES).exists()
    with pytest.raises(UserError, match="holds this cross-validation already; add --resume"):
        cross_validate(own)
    trained.clear()
    found = cross_validate(own, resume=True)
    # The finished ones were not trained again, and the whole is what it would have been.
    assert trained == [3]
    assert found.figures == whole.figures
    for one, other in zip(found.runs, whole.runs, strict=True):
        left, right = (read_tensors(run.weights_path) for run in (one, other))
        for name, value in left.items():
            np.testing.assert_array_equal(value, right[name])
    assert table(found.folder) == table(whole.folder)


def test_a_finished_cross_validation_is_resumed_by_the_command(whole, monkeypatch):
    monkeypatch.setattr(trainer, "train", None)
    monkeypatch.setattr("kerasnets.training.folds.train", None)
    main(["train", "--out", str(whole.folder), "--resume"])
    assert len(Run.load(whole.folder / "fold-1").class_names) == 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folds", "1"], "folds must be at least 2. Received: 1"),
        (["--folds", "3", "--cluster", "a:1,b:2", "--worker", "0"], "runs on one worker"),
        (["--folds", "3", "--resume"], "is no run folder"),
    ],
)
def test_what_cannot_be_folded_is_told(tmp_path, words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--out", str(tmp_path / "new"), *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_other_settings_are_refused(whole):
    with pytest.raises(UserError, match="holds a cross-validation with folds 3, not 4"):
        cross_validate(config(whole.folder, folds=4), resume=True)
    with pytest.raises(UserError, match="folds is for kerasnets.training.cross_validate"):
        train(config(whole.folder))
    assert (whole.folder / CROSS_VALIDATION).is_file()


def test_suspects_of_all_folds(whole, tmp_path, capsys):
    main(["data", "suspects", str(whole.folder), "--out", str(tmp_path / "suspects.csv")])
    count = len(table(whole.folder))
    assert f"of {count:,} images of all folds are probably mislabelled" in capsys.readouterr().out
    for words in (["--split", "test"], ["--out", "suspects.txt"]):
        with pytest.raises(SystemExit) as stop:
            main(["data", "suspects", str(whole.folder), *words])
        assert stop.value.code == 2
