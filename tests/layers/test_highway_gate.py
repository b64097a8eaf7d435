import keras
import numpy as np
import pytest

from kerasnets.layers import HighwayGate


def tensors():
    draw = np.random.default_rng(0)
    return [draw.standard_normal((2, 3, 4, 5)).astype("float32") for _ in range(3)]


def test_values_are_those_of_equation_3():
    x, transformed, gate = tensors()
    opening = 1 / (1 + np.exp(-gate.astype("float64")))
    y = keras.ops.convert_to_numpy(HighwayGate()([x, transformed, gate]))
    # Three products and a sigmoid in float32.
    np.testing.assert_allclose(y, transformed * opening + x * (1 - opening), rtol=1e-5, atol=1e-6)


def test_a_closed_gate_hands_on_the_input_and_an_open_one_does_not():
    x, transformed, gate = tensors()
    np.testing.assert_array_equal(HighwayGate()([x, transformed, gate * 0 - 200]), x)
    np.testing.assert_array_equal(HighwayGate()([x, transformed, gate * 0 + 200]), transformed)


def test_different_shapes_are_named():
    x, transformed, gate = tensors()
    with pytest.raises(ValueError, match="must be of one shape"):
        HighwayGate()([x, transformed, gate[..., :1]])


def test_layer_is_restored_from_its_configuration():
    layer = HighwayGate(dtype="mixed_bfloat16")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    y = copy(tensors())
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    np.testing.assert_array_equal(layer(tensors()), y)
