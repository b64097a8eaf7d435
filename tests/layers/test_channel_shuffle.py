import keras
import numpy as np
import pytest

from kerasnets.layers import ChannelShuffle


def images():
    return np.random.default_rng(0).standard_normal((2, 3, 4, 12)).astype("float32")


def values(layer, x):
    return keras.ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
def test_channels_go_where_the_formula_says(groups):
    x, n = images(), 12 // groups
    y, back = values(ChannelShuffle(groups), x), values(ChannelShuffle(groups, inverse=True), x)
    for i in range(n):
        for j in range(groups):
            np.testing.assert_array_equal(y[..., i * groups + j], x[..., j * n + i])
            np.testing.assert_array_equal(back[..., j * n + i], x[..., i * groups + j])


def test_the_inverse_undoes_it():
    x = images()
    shuffled = values(ChannelShuffle(3), x)
    assert (shuffled != x).any()
    np.testing.assert_array_equal(values(ChannelShuffle(3, inverse=True), shuffled), x)
    # The two are different permutations, not one another's name.
    assert (values(ChannelShuffle(3, inverse=True), x) != shuffled).any()


def test_sizes_may_be_unknown():
    inputs = keras.Input((None, None, 12))
    model = keras.Model(inputs, ChannelShuffle(4)(inputs))
    assert model.output_shape == (None, None, None, 12)
    x = images()
    np.testing.assert_array_equal(model.predict(x, verbose=0), values(ChannelShuffle(4), x))


def test_wrong_groups_are_named():
    with pytest.raises(ValueError, match=r"multiple of `groups`.*12\), groups=5"):
        ChannelShuffle(5)(images())
    with pytest.raises(ValueError, match="groups=0"):
        ChannelShuffle(0)


def test_layer_is_restored_from_its_configuration():
    layer = ChannelShuffle(3, inverse=True, dtype="mixed_bfloat16")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    x = images()
    assert keras.backend.standardize_dtype(copy(x).dtype) == "bfloat16"
    np.testing.assert_array_equal(layer(x), copy(x))
