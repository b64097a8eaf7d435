import keras
import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.training import checkpoints


def model(units: int = 3) -> keras.Model:
    network = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(units)]
    )
    network.compile(keras.optimizers.Adam(0.1), "mse")
    return network


def train(network, rng, steps):
    for _ in range(steps):
        network.train_on_batch(rng.standard_normal((8, 4)), rng.standard_normal((8, 3)))


def test_the_whole_state_comes_back(tmp_path):
    one = model()
    train(one, np.random.default_rng(0), 3)
    checkpoints.save(tmp_path, one, 3)
    other = model()
    assert checkpoints.restore(checkpoints.latest(tmp_path), other) == 3
    # Momenta, step counter and dropout's random numbers go on as they were.
    train(one, np.random.default_rng(1), 2)
    train(other, np.random.default_rng(1), 2)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(other.optimizer.iterations) == 5


def test_the_last_three_are_kept(tmp_path):
    for step in (1, 5, 20, 100):
        checkpoints.save(tmp_path, model(), step)
    assert [path.stem for path in sorted(tmp_path.iterdir())] == [
        "step_00000005", "step_00000020", "step_00000100"
    ]  # fmt: skip
    assert checkpoints.latest(tmp_path).stem == "step_00000100"
    assert checkpoints.latest(tmp_path / "none") is None


def test_another_networks_checkpoint_is_told(tmp_path):
    path = checkpoints.save(tmp_path, model(5), 1)
    with pytest.raises(UserError, match="is no checkpoint of this run"):
        checkpoints.restore(path, model(3))
