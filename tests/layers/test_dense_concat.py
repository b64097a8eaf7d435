import keras
import numpy as np
import pytest

from kerasnets.layers import DenseConcat


def test_older_maps_come_first():
    x, new = np.zeros((2, 3, 4, 5), "float32"), np.ones((2, 3, 4, 2), "float32")
    y = keras.ops.convert_to_numpy(DenseConcat()([x, new]))
    np.testing.assert_array_equal(y[0, 0, 0], [0, 0, 0, 0, 0, 1, 1])
    assert DenseConcat().compute_output_shape([x.shape, new.shape]) == y.shape


def test_maps_of_different_sizes_are_named():
    maps = [keras.Input((8, 8, 4)), keras.Input((8, 7, 4))]
    with pytest.raises(ValueError, match=r"stage1_concat: .* 8x8, 8x7"):
        DenseConcat(name="stage1_concat")(maps)


def test_layer_is_restored_from_its_configuration():
    layer = DenseConcat(name="concat")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(copy, DenseConcat)
    assert copy.get_config() == layer.get_config()
