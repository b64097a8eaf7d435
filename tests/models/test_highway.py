import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError
from kerasnets.models.build import unweighted
from tests.models.parts import all_params, shape_of, trainable


def dense_highway(width):
    return 2 * (width**2 + width)


def conv_highway(width):
    return 2 * (9 * width**2 + width)


def plain(inputs, width):
    return 9 * inputs * width + width


def test_highway19_has_the_layers_of_fitnet_4():
    model = unweighted("highway19")
    assert shape_of(model, "stage1_layer5_highway") == (32, 32, 48)
    assert shape_of(model, "stage2_layer6_highway") == (16, 16, 80)
    assert shape_of(model, "stage3_layer6_highway") == (8, 8, 128)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    gates = [layer for layer in convolutions if layer.name.endswith("_gate")]
    assert len(convolutions) - len(gates) + 1 == 19  # with the classifier
    assert len(gates) == 13
    count = plain(3, 32) + 2 * conv_highway(32) + plain(32, 48) + conv_highway(48)
    count += plain(48, 80) + 5 * conv_highway(80) + plain(80, 128) + 5 * conv_highway(128)
    count += 128 * 500 + 500 + 500 * 10 + 10
    assert all_params(model) == (count, 0)
    # The paper's table has 2.3 M.
    assert round(count / 1e6, 1) == 2.3


def test_highway10_has_the_counts_of_its_formula():
    model = unweighted("highway10_mnist")
    assert trainable(model, "layer1") == 784 * 50 + 50
    assert trainable(model, "layer2") == dense_highway(50) == 5_100
    assert all_params(model) == (784 * 50 + 50 + 9 * 5_100 + 510, 0)
    assert all_params(unweighted("highway10_mnist", width=1.42))[0] == (
        784 * 71 + 71 + 9 * 10_224 + 72 * 10
    )


def test_highway10_computes_equation_3():
    model = kerasnets.build("highway10_mnist", include_top=False, gate_bias=-1.0)
    x = np.random.default_rng(0).random((2, 28, 28, 1)).astype("float32")
    weights = {
        layer.name: [weight.astype("float64") for weight in layer.get_weights()]
        for layer in model.layers
    }

    def dense(x, name):
        kernel, bias = weights[name]
        return x @ kernel.reshape(-1, 50) + bias

    y = np.maximum(dense(x.reshape(2, -1), "layer1"), 0)
    for layer in range(2, 11):
        gate = 1 / (1 + np.exp(-dense(y, f"layer{layer}_gate")))
        y = np.maximum(dense(y, f"layer{layer}"), 0) * gate + y * (1 - gate)
    # Float32 through ten layers.
    np.testing.assert_allclose(
        np.asarray(model(x)).reshape(2, 50), y, rtol=1e-4, atol=1e-5 * abs(y).max()
    )


@pytest.mark.parametrize("name", ["highway19", "highway10_mnist"])
def test_gates_start_nearly_closed(name):
    model = kerasnets.build(name, gate_bias=-3)
    gates = [layer for layer in model.layers if layer.name.endswith("_gate")]
    assert gates
    for gate in gates:
        np.testing.assert_array_equal(gate.get_weights()[1], -3.0)
    # Other biases are not the gates'.
    assert not model.get_layer(gates[0].name.removesuffix("_gate")).get_weights()[1].any()


def test_gates_keep_their_bias_beside_batch_norm():
    model = unweighted("highway19", normalization="batch", input_shape=(16, 16, 3))
    assert model.get_layer("stage1_layer2_gate").use_bias
    assert not model.get_layer("stage1_layer2").use_bias


def test_wrong_arguments_are_named():
    with pytest.raises(UserError, match="highway19: gate_bias must be below 0. Received: 0.5"):
        kerasnets.build("highway19", gate_bias=0.5)
    with pytest.raises(UserError, match="highway10_mnist: dense layers need an input of known"):
        kerasnets.build("highway10_mnist", input_shape=(None, None, 1))
