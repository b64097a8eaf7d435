import keras
import numpy as np
import pytest
from keras import ops

from kerasnets.fast.winograd import WinogradConv2D, transformed_kernel, with_tiles
from tests.fast.test_folding import agree


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("sides", [(8, 8), (7, 10), (13, 3)])
def test_it_is_a_convolution(padding, sides, rng):
    plain = keras.layers.Conv2D(6, 3, padding=padding, activation="tanh")
    tiled = WinogradConv2D(6, padding=padding, activation="tanh")
    for layer in (plain, tiled):
        layer.build((None, *sides, 5))
    kernel, bias = 0.2 * rng.normal(size=(3, 3, 5, 6)), rng.normal(size=6)
    plain.set_weights([kernel, bias])
    tiled.set_weights([transformed_kernel(kernel), bias])
    x = ops.convert_to_tensor(rng.normal(size=(3, *sides, 5)).astype("float32"))
    expected, found = map(ops.convert_to_numpy, (plain(x), tiled(x)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert tiled.compute_output_shape((None, *sides, 5)) == (None, *expected.shape[1:])


def test_it_rounds_little_where_channels_are_many(rng):
    kernel = rng.normal(size=(3, 3, 512, 64)) * (2 / (9 * 512)) ** 0.5
    x = np.maximum(rng.normal(size=(2, 8, 8, 512)), 0)
    layer = WinogradConv2D(64, padding="same", use_bias=False)
    layer.build(x.shape)
    layer.set_weights([transformed_kernel(kernel)])
    exact = ops.convert_to_numpy(ops.conv(x, kernel, padding="same"))
    found = ops.convert_to_numpy(layer(ops.convert_to_tensor(x.astype("float32"))))
    assert np.abs(found - exact).max() < 1e-5 * np.abs(exact).max()


def test_a_saved_model_computes_the_same(tmp_path, rng):
    images = keras.Input((9, 9, 3))
    x = WinogradConv2D(4, padding="same", activation="relu", use_bias=False, name="conv")(images)
    model = keras.Model(images, x)
    model.set_weights([rng.normal(size=(36, 3, 4))])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = rng.normal(size=(2, 9, 9, 3)).astype("float32")
    np.testing.assert_array_equal(again(x), model(x))


def test_bad_values_are_named():
    with pytest.raises(ValueError, match="padding='full'"):
        WinogradConv2D(4, padding="full")
    for shape in ((None, None, 8, 3), (None, 2, 8, 3)):
        with pytest.raises(ValueError, match="no smaller than the kernel of 3"):
            WinogradConv2D(4).compute_output_shape(shape)


def network(side=28, filters=192, channels=192, **options):
    images = keras.Input((side, side, channels))
    options = {"kernel_size": 3, "padding": "same", "activation": "relu", **options}
    return keras.Model(images, keras.layers.Conv2D(filters, name="conv", **options)(images))


@pytest.mark.parametrize(
    "options",
    [{}, {"use_bias": False}, {"padding": "valid", "side": 30}, {"channels": 64, "filters": 512}],
    ids=str,
)
def test_wide_convolutions_are_computed_in_tiles(options, rng):
    plain = network(**options)
    found = with_tiles(plain)
    assert isinstance(found.get_layer("conv"), WinogradConv2D)
    agree(plain, found, rng)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 64},
        {"side": 24},
        {"side": None},
        {"kernel_size": 1},
        {"strides": 2, "side": 56},
        {"dilation_rate": 2},
        {"dtype": "mixed_bfloat16"},
    ],
    ids=str,
)
def test_others_are_not(options):
    assert isinstance(with_tiles(network(**options)).get_layer("conv"), keras.layers.Conv2D)
