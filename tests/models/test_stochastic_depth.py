import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError
from kerasnets.models.build import unweighted


@pytest.fixture(scope="module")
def network():
    return kerasnets.build("resnet110_sd_cifar")


def rates(model):
    return [layer.rate for layer in model.layers if layer.name.endswith("_drop_path")]


def test_survival_decays_linearly_to_one_half(network):
    np.testing.assert_allclose(rates(network), np.arange(1, 55) / 54 / 2)
    # Section 3: (3 L - 1) / 4 blocks are active, of 54.
    assert sum(1 - rate for rate in rates(network)) == pytest.approx(40.25)


def test_the_last_block_s_rate_is_an_option():
    model = unweighted("resnet110_sd_cifar", drop_path_rate=0.2, include_top=False)
    np.testing.assert_allclose(rates(model), np.arange(1, 55) / 54 / 5)
    with pytest.raises(UserError, match=r"drop_path_rate must be in \[0, 1\).*1.0"):
        unweighted("resnet110_sd_cifar", drop_path_rate=1.0)


def test_inference_multiplies_each_residual_by_its_survival(network):
    block = "stage2_block5"
    names = ("stage2_block4_act", f"{block}_conv2_bn", f"{block}_act")
    maps = keras.Model(network.input, [network.get_layer(name).output for name in names])
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    x, residual, y = (keras.ops.convert_to_numpy(value) for value in maps(images))
    survival = 1 - (18 + 5) / 54 / 2
    np.testing.assert_allclose(y, np.maximum(x + survival * residual, 0), rtol=1e-5, atol=1e-4)


def test_training_drops_a_residual_for_the_whole_batch(network):
    x = network.get_layer("stage3_block17_act").output
    block = keras.Model(x, network.get_layer("stage3_block18_act").output)
    maps = np.random.default_rng(0).uniform(0, 1, (4, 8, 8, 64)).astype("float32")
    dropped = []
    for _ in range(12):
        y = keras.ops.convert_to_numpy(block(maps, training=True))
        same = [(y[image] == maps[image]).all() for image in range(4)]
        assert len(set(same)) == 1
        dropped.append(same[0])
    # Half of the steps; twelve alike would come once in 2,048 runs.
    assert 0 < sum(dropped) < 12


def test_shortcuts_average_and_append(network):
    layer = network.get_layer("stage2_block1_add")
    assert (layer.subsample, layer.zero_placement) == ("average", "append")
