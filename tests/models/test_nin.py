"""Network in Network: the released definitions' sizes and forms."""

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.models.build import unweighted

# Parameters of each layer, from the released definitions.
PARAMETERS = {
    "nin": {"conv1": 34_944, "cccp1": 9_312, "cccp2": 9_312}
    | {"conv2": 614_656, "cccp3": 65_792, "cccp4": 65_792}
    | {"conv3": 885_120, "cccp5": 147_840, "cccp6": 147_840}
    | {"conv4": 3_539_968, "cccp7": 1_049_600, "class_maps": 1_025_000},
    "nin_cifar10": {"conv1": 14_592, "cccp1": 30_880, "cccp2": 15_456}
    | {"conv2": 460_992, "cccp3": 37_056, "cccp4": 37_056}
    | {"conv3": 331_968, "cccp5": 37_056, "class_maps": 1_930},
}
SIZES = {
    "nin": {"conv1": 54, "pool1": 27, "pool2": 13, "pool3": 6, "class_maps": 6},
    "nin_cifar10": {"conv1": 32, "pool1": 16, "pool2": 8, "class_maps": 8},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_sizes_of_each_layer(name: str) -> None:
    model = unweighted(name)
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    assert counts == PARAMETERS[name]
    for layer, side in SIZES[name].items():
        assert model.get_layer(layer).output.shape[1:3] == (side, side), layer


def test_cifar_pools_by_maximum_then_by_average() -> None:
    model = unweighted("nin_cifar10")
    assert [model.get_layer(name).mode for name in ("pool1", "pool2")] == ["max", "average"]


def test_hundred_classes() -> None:
    assert unweighted("nin_cifar10", classes=100).count_params() == 984_356


def test_rounding_of_pooling() -> None:
    floor = unweighted("nin", pool_rounding="floor", include_top=False)
    sides = [floor.get_layer(name).output.shape[1] for name in ("pool1", "pool2", "pool3")]
    assert sides == [26, 12, 5]
    # At 227 both roundings give 55, 27, 13, 6.
    for rounding in ("ceil", "floor"):
        model = unweighted(
            "nin", input_shape=(227, 227, 3), pool_rounding=rounding, include_top=False
        )
        sides = [model.get_layer(name).output.shape[1] for name in ("pool1", "pool2", "pool3")]
        assert sides == [27, 13, 6]


def test_logits_are_averages_of_rectified_class_maps() -> None:
    model = kerasnets.build("nin_cifar10", classifier_activation=None, width=0.25)
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    maps = keras.Model(model.input, model.get_layer("class_maps").output)(images)
    assert maps.shape == (2, 8, 8, 10)  # classes are not narrowed
    expected = np.maximum(maps, 0).mean(axis=(1, 2))
    assert (expected > 0).any()
    # Sums of 64 numbers in another order.
    np.testing.assert_allclose(model(images), expected, rtol=1e-5)


def test_any_size_of_images() -> None:
    model = kerasnets.build("nin_cifar10", input_shape=(None, None, 3), width=0.1)
    fixed = kerasnets.build("nin_cifar10", input_shape=(37, 30, 3), width=0.1)
    fixed.set_weights(model.get_weights())
    images = np.random.default_rng(0).standard_normal((2, 37, 30, 3)).astype("float32")
    np.testing.assert_allclose(model(images), fixed(images), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "rates", "places"),
    [("nin", [0.2], ["pool3"]), ("nin_cifar10", [0.2, 0.2], ["pool1", "pool2"])],
)
def test_dropout_follows_pooling(name: str, rates: list[float], places: list[str]) -> None:
    model = unweighted(name, dropout=0.2, width=0.1)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in layers] == rates
    assert [layer.input._keras_history.operation.name for layer in layers] == places
    with pytest.raises(kerasnets.UserError, match=rf"{name}: dropout must be in \[0, 1\)"):
        unweighted(name, dropout=1.0)


def test_class_maps_and_logits_stay_in_float32() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = unweighted("nin_cifar10", width=0.1)
    finally:
        keras.config.set_dtype_policy("float32")
    for name in ("class_maps", "class_maps_act", "logits"):
        assert model.get_layer(name).output.dtype == "float32"
    assert model.get_layer("cccp5").output.dtype == "bfloat16"
