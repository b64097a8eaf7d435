"""Training a network of an experiment's own."""

from __future__ import annotations

import keras
import pytest

from kerasnets.lab import fitting, images
from kerasnets.lab.measures import GAP, TEST_ERROR, TRAINING_ERROR


def dense(shape, classes):
    return keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
    )


def test_a_seed_decides_all_and_the_network_learns():
    sets = images.load("digits", each_class=20)
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
    sets = images.load("digits", each_class=4)
    found = fitting.fit(
        dense, sets, seed=0, epochs=2, batch_size=20, learning_rate=0.1, schedule=schedule
    )
    assert float(found.network.optimizer.learning_rate) == pytest.approx(last, abs=1e-6)
    assert int(found.network.optimizer.iterations) == 4
