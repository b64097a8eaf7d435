"""Classes of 50 images to 1, whose right answer is known: two brightnesses that overlap."""

import csv

import numpy as np
import pytest

from kerasnets import TrainConfig, UserError, recipe, train
from kerasnets.data import from_arrays, register_source
from tests.conftest import nothing_drawn

pytestmark = pytest.mark.usefixtures("without_pictures")
SHORT = recipe(
    "digits", epochs=8, batch_size=32, learning_rate=1e-3, warmup_epochs=0.0, augment="none",
    validation_fraction=0.0,
)  # fmt: skip


def unequal(rest: str = "", data_dir=None):
    """50 times as many dark images as bright ones in training, as many of both in the test."""
    rng = np.random.default_rng(0)

    def images(dark: int, bright: int):
        labels = np.repeat([0, 1], [dark, bright])
        mean = np.where(labels, 150, 80) + rng.normal(0, 35, len(labels))
        pixels = mean[:, None, None, None] + rng.normal(0, 20, (len(labels), 8, 8, 1))
        return np.clip(pixels, 0, 255).astype(np.uint8), labels

    splits = {"train": images(1000, 20), "test": images(200, 200)}
    return from_arrays(splits, ("dark", "bright"), name="unequal")


register_source("unequal", unequal, "unequal")


def recall(folder, **changes) -> dict[str, float]:
    chosen = recipe("digits", **{**vars(SHORT), **changes.pop("recipe", {})})
    run = train(TrainConfig(
        model="lenet5_modern", data="unequal", recipe=chosen, out=folder, log_to=(), **changes
    ))  # fmt: skip
    with (run.folder / "classes.csv").open(newline="") as file:
        return {row["class"]: float(row["recall"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with nothing_drawn():
        return recall(tmp_path_factory.mktemp("plain") / "run")


@pytest.mark.parametrize(
    "changes", [{"class_weights": "balanced"}, {"recipe": {"oversample": 1.0}}]
)
def test_balance_raises_the_recall_of_the_rare_class(tmp_path, plain, changes):
    # The best even answer is right on 84 % of both; with 1:50 it is rarely "bright".
    assert plain["bright"] < 0.3
    found = recall(tmp_path / "run", **changes)
    assert found["bright"] > plain["bright"] + 0.3
    # The other class is not lost for it: one answer to all is right on a half.
    assert (found["dark"] + found["bright"]) / 2 > 0.65


def test_weights_of_other_classes_are_refused_before_work(tmp_path):
    with pytest.raises(UserError, match="Class weights: Unknown class 'brigth'"):
        recall(tmp_path / "run", class_weights={"dark": 1.0, "brigth": 50.0})
    with pytest.raises(UserError, match="Class weights: no weight for 'bright'"):
        recall(tmp_path / "run", class_weights={"dark": 1.0})
    assert not (tmp_path / "run").exists()
