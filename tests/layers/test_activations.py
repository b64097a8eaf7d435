import keras
import numpy as np
import pytest

from kerasnets.layers import FanInUniform, RandomizedReLU, scaled_tanh


def test_scaled_tanh_has_unit_gain_at_one():
    x = np.array([-1.0, 0.0, 1.0, 100.0], np.float32)
    np.testing.assert_allclose(scaled_tanh(x), [-1.0, 0.0, 1.0, 1.7159], atol=1e-4)


def test_randomized_relu_draws_slopes_in_training(rng):
    x = rng.standard_normal((200, 50)).astype(np.float32)
    layer = RandomizedReLU(seed=1)
    y = np.array(layer(x, training=True))
    slopes = (y / x)[x < 0]
    np.testing.assert_array_equal(y[x > 0], x[x > 0])
    assert slopes.min() >= 1 / 8 - 1e-6
    assert slopes.max() <= 1 / 3 + 1e-6
    # The mean of 5,000 uniform draws is within 0.003 with five sigmas' room.
    assert abs(slopes.mean() - (1 / 8 + 1 / 3) / 2) < 0.005
    assert not np.array_equal(y, layer(x, training=True))


def test_randomized_relu_is_leaky_at_inference(rng):
    x = rng.standard_normal((5, 4)).astype(np.float32)
    layer = RandomizedReLU.from_config(RandomizedReLU(0.1, 0.3).get_config())
    np.testing.assert_allclose(layer(x), np.where(x > 0, x, 0.2 * x), rtol=1e-6)
    with pytest.raises(ValueError, match="lower=0.5, upper=0.1"):
        RandomizedReLU(0.5, 0.1)


def test_fan_in_uniform_fills_its_range():
    values = np.array(FanInUniform(2.4, seed=0)((5, 5, 6, 100)))
    limit = 2.4 / 150
    assert limit * 0.99 < values.max() <= limit
    assert -limit <= values.min() < -limit * 0.99
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(FanInUniform(2.4, seed=0))
    )
    np.testing.assert_array_equal(again((5, 5, 6, 100)), values)
