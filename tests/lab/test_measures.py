"""What several experiments measure."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasnets.lab.images import Images
from kerasnets.lab.measures import Steps, gradient_norm


def test_errors_of_steps_are_taken_out_of_the_mean_accuracy_of_an_epoch():
    steps = Steps(window=2)
    # Accuracies 0, 0.5, 1 in one epoch, then 1 and 0.5, as Keras tells them: means of the epoch.
    for batch, mean in ((0, 0.0), (1, 0.25), (2, 0.5), (0, 1.0), (1, 0.75)):
        steps.callback.on_train_batch_end(batch, {"accuracy": mean})
    places, errors = steps.curve
    assert places == [2, 3, 4, 5]
    assert errors == pytest.approx([75, 25, 0, 25])
    assert steps.until(30) == 3
    assert steps.until(0) == 5


def test_a_long_curve_is_thinned_and_its_steps_are_not():
    steps = Steps(window=1)
    for batch in range(1000):
        steps.callback.on_train_batch_end(batch, {"accuracy": max(0, batch - 501) / (batch + 1)})
    places, errors = steps.curve
    assert (places[:3], len(places), len(errors)) == ([1, 4, 7], 334, 334)
    assert steps.until(50) == 503


def test_the_gradient_is_that_of_softmax_regression():
    x = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="dense")])
    network.get_layer("dense").set_weights([np.zeros((2, 2)), np.zeros(2)])
    # x^T (softmax - one-hot) / N, with softmax 1/2 each.
    expected = x.T @ (0.5 - np.eye(2)) / 2
    found = gradient_norm(network, Images(x, np.array([0, 1])), "dense")
    assert found == pytest.approx(np.linalg.norm(expected), rel=1e-5)
