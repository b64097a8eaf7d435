"""Parts that are taken out of a network, or change places."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasnets.lab.fitting import error
from kerasnets.lab.images import Images
from kerasnets.lab.surgery import exchanged, interchangeable, parts, without
from kerasnets.layers import ResidualAdd


def convolution(x, filters, name):
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return keras.layers.BatchNormalization(name=f"{name}_bn")(x)


def network_of(blocks, *, residual):
    """Blocks of so many maps, after a stem; a residual one has an addition behind it."""
    x = image = keras.Input((6, 6, 2))
    x = keras.layers.ReLU()(convolution(x, 3, "stem_conv"))
    for number, filters in enumerate(blocks, start=1):
        name = f"block{number}"
        shortcut = x
        x = keras.layers.ReLU()(convolution(x, filters, f"{name}_conv1"))
        if residual:
            x = convolution(x, filters, f"{name}_conv2")
            kind = {} if shortcut.shape == x.shape else {"shortcut": "zero_pad"}
            x = keras.layers.ReLU()(ResidualAdd(name=f"{name}_add", **kind)([shortcut, x]))
    network = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    random = np.random.default_rng(0)
    for layer in network.layers:
        # Normalisations as after training: all four of their weights count.
        layer.set_weights([random.uniform(0.2, 1, each.shape) for each in layer.get_weights()])
    return network


@pytest.fixture
def image():
    return np.random.default_rng(1).normal(size=(2, 6, 6, 2)).astype("float32")


@pytest.mark.parametrize(
    ("blocks", "residual", "names", "groups"),
    [
        ([3, 3, 4, 4], True, ["block1", "block2", "block3", "block4"], [["block1", "block2"]]),
        ([3, 4, 4, 4], False, ["block1_conv1", "block3_conv1", "block4_conv1"],
         [["block3_conv1", "block4_conv1"]]),
    ],
)  # fmt: skip
def test_parts_are_blocks_or_convolutions_that_keep_the_shape(blocks, residual, names, groups):
    network = network_of(blocks, residual=residual)
    assert parts(network) == names
    assert interchangeable(network) == groups


@pytest.mark.parametrize("residual", [True, False])
def test_a_network_without_parts_is_the_network_that_never_had_them(residual, image):
    whole, short = (network_of(blocks, residual=residual) for blocks in ([3, 3, 3], [3]))
    first, *others = parts(whole)
    before = np.asarray(whole(image))
    for layer in short.layers:
        layer.set_weights(whole.get_layer(layer.name).get_weights() if layer.weights else [])
    with without(whole, others):
        np.testing.assert_allclose(whole(image), short(image), rtol=1e-5)
    assert parts(short) == [first]
    assert not np.allclose(before, short(image), rtol=1e-3)
    np.testing.assert_array_equal(whole(image), before)


@pytest.mark.parametrize("residual", [True, False])
def test_exchanged_parts_have_each_others_weights_for_a_while(residual, image):
    network = network_of([3, 3], residual=residual)
    one, two = parts(network)
    before = np.asarray(network(image))
    layers = [network.get_layer(f"block{number}_conv1") for number in (1, 2)]
    kernels = [layer.get_weights()[0] for layer in layers]
    with exchanged(network, {one: two, two: one}):
        for layer, kernel in zip(layers, reversed(kernels), strict=True):
            np.testing.assert_array_equal(layer.get_weights()[0], kernel)
        assert not np.allclose(network(image), before, rtol=1e-3)
    np.testing.assert_array_equal(network(image), before)


def test_the_error_is_in_per_cent(image):
    network = network_of([3], residual=True)
    answers = np.asarray(network(image)).argmax(-1)
    assert error(network, Images(image, answers)) == 0
    assert error(network, Images(image, np.add(answers, [0, 1]))) == 50
