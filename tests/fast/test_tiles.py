import keras
import pytest

from kerasnets.fast.tiles import in_tiles
from kerasnets.fast.winograd import WinogradConv2D
from tests.fast.test_folding import agree


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
    found = in_tiles(plain)
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
    assert isinstance(in_tiles(network(**options)).get_layer("conv"), keras.layers.Conv2D)
