"""Grouped convolution against the convolutions it is made of."""

import keras
import numpy as np
import pytest

from kerasnets.layers import GroupedConv2D


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, 7, 6, 12)).astype("float32")


def values(layer: keras.layers.Layer, images: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(layer(images))


def test_each_group_sees_its_own_channels(images: np.ndarray) -> None:
    layer = GroupedConv2D(9, 3, strides=2, padding="same", groups=3, bias_initializer="normal")
    y = values(layer, images)
    for group in range(3):
        part = keras.layers.Conv2D(3, 3, strides=2, padding="same")
        part.build((2, 7, 6, 4))
        filters = slice(3 * group, 3 * group + 3)
        kernel, bias = layer.get_weights()
        part.set_weights([kernel[..., filters], bias[filters]])
        expected = values(part, images[..., 4 * group : 4 * group + 4])
        np.testing.assert_allclose(y[..., filters], expected, rtol=1e-6, atol=1e-6)


def test_weights_and_values_are_those_of_conv2d(images: np.ndarray) -> None:
    layer = GroupedConv2D(8, (3, 2), groups=2, activation="relu")
    peer = keras.layers.Conv2D(8, (3, 2), groups=2, activation="relu")
    peer.build(images.shape)
    y = values(layer, images)
    peer.set_weights(layer.get_weights())
    # Sums of 36 products in another order.
    np.testing.assert_allclose(y, values(peer, images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_trains_and_survives_saving(images: np.ndarray, jit_compile: bool, tmp_path) -> None:
    model = keras.Sequential([keras.Input((7, 6, 12)), GroupedConv2D(4, 3, groups=2)])
    model.compile("sgd", "mse", jit_compile=jit_compile)
    before = model.get_weights()
    model.train_on_batch(images, np.ones((2, 5, 4, 4)))
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old != new).any()
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(values(copy, images), values(model, images))
