import keras
import numpy as np
import pytest

from kerasnets.layers import StochasticDepth


def images(count):
    """No two values are equal, none is zero."""
    return np.arange(1, 1 + count * 6, dtype="float32").reshape(count, 1, 2, 3)


@pytest.mark.parametrize(
    ("rescale", "in_inference", "in_training"), [("inference", 0.75, 1.0), ("training", 1.0, 4 / 3)]
)
def test_the_survival_probability_acts_once(rescale, in_inference, in_training):
    x = images(64)
    layer = StochasticDepth(0.25, per="sample", rescale=rescale, seed=1)
    np.testing.assert_allclose(layer(x), in_inference * x, rtol=1e-6)
    y = keras.ops.convert_to_numpy(layer(x, training=True))
    kept = y[:, 0, 0, 0] > 0
    np.testing.assert_allclose(y[kept], in_training * x[kept], rtol=1e-6)
    assert not y[~kept].any()


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_survivors_are_as_many_as_their_probability_says(per):
    layer = StochasticDepth(0.25, per=per, seed=1)
    x = images(4)
    steps = np.stack([layer(x, training=True)[:, 0, 0, 0] for _ in range(250)]) > 0
    if per == "batch":
        assert (steps == steps[:, :1]).all()
        steps = steps[:, :1]
    else:
        assert steps.sum(axis=1).std() > 0
        # Samples are drawn independently: 0.75^4 of the steps keep all four.
        assert abs(steps.all(axis=1).mean() - 0.75**4) < 0.12  # four standard deviations
    deviation = np.sqrt(0.75 * 0.25 / steps.size)
    assert abs(steps.mean() - 0.75) < 4 * deviation


def test_a_rate_of_zero_changes_nothing():
    x = images(8)
    np.testing.assert_array_equal(StochasticDepth(0.0)(x, training=True), x)
    np.testing.assert_array_equal(StochasticDepth(0.0)(x), x)


def test_a_seed_repeats_the_draws():
    x = images(32)
    draws = [StochasticDepth(0.5, per="sample", seed=seed)(x, training=True) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (np.asarray(draws[0]) != np.asarray(draws[2])).any()


def test_layer_is_restored_from_its_configuration():
    layer = StochasticDepth(0.3, per="sample", rescale="training", seed=5, dtype="mixed_bfloat16")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    x = images(16)
    one, other = layer(x, training=True), copy(x, training=True)
    assert keras.backend.standardize_dtype(one.dtype) == "bfloat16"
    assert keras.ops.all(one == other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.0}, r"`rate` must be in \[0, 1\).*1.0"),
        ({"rate": 0.1, "per": "channel"}, "`per` must be 'batch' or 'sample'.*'channel'"),
        ({"rate": 0.1, "rescale": "never"}, "`rescale` must be .*'never'"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        StochasticDepth(**options)
