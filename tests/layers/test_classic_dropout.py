import keras
import numpy as np
import pytest

from kerasnets.layers import ClassicDropout


def images():
    """No two values are equal, none is zero."""
    return np.arange(1, 1 + 4000, dtype="float32").reshape(4, 10, 10, 10)


def test_training_drops_without_scaling_and_inference_scales():
    x = images()
    layer = ClassicDropout(0.25, seed=1)
    np.testing.assert_array_equal(layer(x), 0.75 * x)
    y = keras.ops.convert_to_numpy(layer(x, training=True))
    kept = y != 0
    np.testing.assert_array_equal(y[kept], x[kept])
    deviation = np.sqrt(0.25 * 0.75 / x.size)
    assert abs(kept.mean() - 0.75) < 4 * deviation


def test_inverted_dropout_is_the_same_function_with_the_next_kernel_scaled():
    """In both modes, for one mask: the docstring's factor, p."""
    x = images()
    dense = keras.layers.Dense(3, use_bias=False)
    y = keras.ops.convert_to_numpy(dense(ClassicDropout(0.25)(x)))
    inverted = keras.layers.Dense(3, use_bias=False)
    inverted.build(x.shape)
    inverted.set_weights([0.75 * dense.get_weights()[0]])
    # Sums of ten products; the factor stands elsewhere.
    z = keras.ops.convert_to_numpy(inverted(keras.layers.Dropout(0.25)(x)))
    np.testing.assert_allclose(y, z, rtol=1e-4, atol=1e-4 * abs(z).max())
    masked = keras.ops.convert_to_numpy(ClassicDropout(0.25, seed=3)(x, training=True))
    y = keras.ops.convert_to_numpy(dense(masked))
    z = keras.ops.convert_to_numpy(inverted(masked / 0.75))
    np.testing.assert_allclose(y, z, rtol=1e-4, atol=1e-4 * abs(z).max())


def test_a_seed_repeats_the_draws():
    x = images()
    one, same, other = (ClassicDropout(0.5, seed=seed)(x, training=True) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (np.asarray(one) != np.asarray(other)).any()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_wrong_rates_are_named(rate):
    with pytest.raises(ValueError, match=rf"`rate` must be in \[0, 1\). Received: rate={rate}"):
        ClassicDropout(rate)


def test_layer_is_restored_from_its_configuration():
    layer = ClassicDropout(0.3, seed=5, dtype="mixed_bfloat16")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    one, other = layer(images(), training=True), copy(images(), training=True)
    assert keras.backend.standardize_dtype(one.dtype) == "bfloat16"
    np.testing.assert_array_equal(one, other)
