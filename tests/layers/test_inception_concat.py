import keras
import numpy as np
import pytest

from kerasnets.layers import InceptionConcat


def branches(*shapes):
    draw = np.random.default_rng(0)
    return [draw.standard_normal(shape).astype("float32") for shape in shapes]


def test_branches_follow_each_other_in_order():
    parts = branches((2, 3, 5, 4), (2, 3, 5, 1), (2, 3, 5, 2))
    layer = InceptionConcat()
    expected = np.concatenate(parts, axis=-1)
    np.testing.assert_array_equal(layer(parts), expected)
    assert layer.compute_output_shape([part.shape for part in parts]) == expected.shape


@pytest.mark.parametrize("symbolic", [True, False])
def test_different_sizes_are_an_error_that_names_the_block(symbolic):
    shapes = [(2, 28, 28, 64), (2, 28, 28, 128), (2, 27, 28, 32)]
    parts = [keras.Input(shape[1:]) for shape in shapes] if symbolic else branches(*shapes)
    with pytest.raises(
        ValueError, match=r"inception3a: branches differ in size: 28x28, 28x28, 27x28\."
    ):
        InceptionConcat(name="inception3a")(parts)


def test_a_side_that_one_branch_leaves_open_is_known_from_another():
    inputs = [keras.Input((None, None, 3)), keras.Input((None, 8, 5))]
    assert InceptionConcat()(inputs).shape == (None, None, 8, 8)


def test_a_saved_layer_is_the_same(tmp_path):
    inputs = [keras.Input((4, 4, 2)), keras.Input((4, 4, 3))]
    model = keras.Model(inputs, InceptionConcat(name="inception3a")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    parts = branches((1, 4, 4, 2), (1, 4, 4, 3))
    np.testing.assert_array_equal(again(parts), model(parts))
    assert again.get_layer("inception3a").get_config() == model.layers[-1].get_config()


def test_half_precision_stays_half():
    layer = InceptionConcat(dtype="mixed_bfloat16")
    assert layer(branches((1, 2, 2, 1), (1, 2, 2, 1))).dtype == "bfloat16"
