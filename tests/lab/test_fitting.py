"""Training a network of an experiment's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.lab import fitting
from kerasnets.lab.measures import GAP, TEST_ERROR, TRAINING_ERROR


def dense(shape, classes):
    return keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
    )


def test_images_are_standardised_by_those_of_training():
    train, test = fitting.load("digits")
    assert train.x.shape == (1347, 8, 8, 1)
    np.testing.assert_allclose([train.x.mean(), train.x.std()], [0, 1], atol=1e-4)
    assert abs(test.x.mean()) > 1e-4


def test_sides_and_images_of_each_class():
    sets = fitting.load("digits", side=16, each_class=3)
    assert sets.shape == (16, 16, 1)
    assert np.bincount(sets.train.y).tolist() == [3] * 10
    assert len(sets.test.y) == 450


def test_images_of_several_sizes_are_refused(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            keras.utils.save_img(
                tmp_path / split / label / "1.png", np.zeros((8, 9, 3)), scale=False
            )
    with pytest.raises(UserError, match="images all have one size"):
        fitting.load(f"folder:{tmp_path}")


def test_a_seed_decides_all_and_the_network_learns():
    sets = fitting.load("digits", each_class=20)
    one, again, other = (
        fitting.fit(dense, sets, seed=seed, epochs=8, batch_size=20) for seed in (0, 0, 1)
    )
    assert one.history == again.history != other.history
    found = one.errors()
    assert found.values[TRAINING_ERROR] < 10 < found.curves[TRAINING_ERROR][1][0]
    wrong = one.network.predict(sets.test.x, verbose=0).argmax(-1) != sets.test.y
    assert found.values[TEST_ERROR] == pytest.approx(100 * wrong.mean())
    assert found.values[GAP] == pytest.approx(found.values[TEST_ERROR] - one.error(sets.train))


@pytest.mark.parametrize(("schedule", "last"), [("constant", 0.1), ("cosine", 0.0)])
def test_the_rate_follows_its_schedule(schedule, last):
    sets = fitting.load("digits", each_class=4)
    found = fitting.fit(
        dense, sets, seed=0, epochs=2, batch_size=20, learning_rate=0.1, schedule=schedule
    )
    assert float(found.network.optimizer.learning_rate) == pytest.approx(last, abs=1e-6)
    assert int(found.network.optimizer.iterations) == 4
