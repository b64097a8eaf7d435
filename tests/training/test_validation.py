import pytest

from kerasnets import UserError
from kerasnets.config import TrainConfig, recipe
from kerasnets.evaluation import evaluate
from kerasnets.runs.history import read_history
from kerasnets.runs.run import load_data
from kerasnets.training import train
from kerasnets.training.validation import check_validation, has_stopped

pytestmark = pytest.mark.usefixtures("without_pictures")


def run(folder, **changes):
    values = {"learning_rate": 0.0, "warmup_epochs": 0, "epochs": 6, **changes}
    return train(TrainConfig(model="lenet5_modern", recipe=recipe("digits", **values), out=folder))


def test_a_run_that_learns_nothing_stops_early(tmp_path):
    rows = read_history(run(tmp_path / "run", early_stopping=2).folder / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]


def test_a_plateau_lowers_the_rate(tmp_path):
    # With this rate nothing moves, so each epoch but the first is part of a plateau.
    changes = {"schedule": "plateau", "patience": 2, "learning_rate": 1e-9, "epochs": 5}
    rows = read_history(run(tmp_path / "run", **changes).folder / "history.csv")
    assert [row["learning_rate"] for row in rows] == pytest.approx(
        [1e-9, 1e-9, 1e-9, 1e-10, 1e-10], rel=1e-4
    )


def test_averaged_weights_are_validated_and_kept(tmp_path):
    """What the last validation measured is what the run's file holds."""
    averaged = run(tmp_path / "run", learning_rate=3e-3, epochs=1, ema=0.999)
    (row,) = read_history(averaged.folder / "history.csv")
    validation = load_data(averaged.config).split("validation")
    found = evaluate(averaged.network(), validation, averaged.preprocessing)
    assert found.loss == pytest.approx(row["val_loss"], rel=1e-4)
    assert found.top1 == pytest.approx(row["val_accuracy"])


def test_without_validation_nothing_can_stall():
    for changes in ({"schedule": "plateau", "warmup_epochs": 0}, {"early_stopping": 3}):
        with pytest.raises(UserError, match="needs a validation split"):
            check_validation(recipe("digits", **changes), ("train", "test"))
        check_validation(recipe("digits", **changes), ("train", "validation"))
    assert not has_stopped(recipe("digits"), [0.5] * 100)
    assert has_stopped(recipe("digits", early_stopping=2), [0.5, 0.4, 0.3])
    assert not has_stopped(recipe("digits", early_stopping=2), [0.5, 0.4, 0.6])


@pytest.mark.parametrize(("since", "stops"), [(0, True), (1, True), (2, False), (3, False)])
def test_an_extension_has_as_many_epochs_before_it_stops_early(since, stops):
    plan = recipe("digits", early_stopping=2)
    assert has_stopped(plan, [0.5, 0.4, 0.3], since) is stops
