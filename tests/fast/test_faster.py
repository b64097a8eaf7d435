import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError, with_preprocessing
from kerasnets.fast.faster import faster
from kerasnets.fast.winograd import WinogradConv2D
from tests.fast.test_folding import agree, norms, randomize
from tests.models.test_registered import images, small


def kinds(network):
    return {type(layer) for layer in network.layers}


def test_a_network_answers_as_before(rng):
    network = kerasnets.build("inception_v3", input_shape=(75, 75, 3), width=0.125, classes=5)
    randomize(network, rng)
    fast = kerasnets.for_inference(network)
    assert not norms(fast)
    assert fast.name == network.name
    agree(network, fast, rng)


def test_averages_of_an_inception_are_of_what_its_convolution_makes():
    network = kerasnets.build("inception_v3", input_shape=(75, 75, 3), width=0.125)
    fast = kerasnets.for_inference(network)
    before, after = (
        [
            layer.output.shape[-1]
            for layer in model.layers
            if isinstance(layer, keras.layers.AveragePooling2D)
        ]
        for model in (network, fast)
    )
    assert len(before) == len(after) == 9
    assert all(few < many for few, many in zip(after, before, strict=True))


def test_tiles_are_for_cpus_alone(rng):
    network = kerasnets.build(
        "vgg11", input_shape=(112, 112, 3), classes=2, include_top=False, pooling="avg"
    )
    fast = kerasnets.for_inference(network)
    assert WinogradConv2D in kinds(fast)
    assert kinds(fast) == kinds(kerasnets.for_inference(network, device="cpu"))
    assert WinogradConv2D not in kinds(kerasnets.for_inference(network, device="any"))
    agree(network, fast, rng)


class _Standardized(keras.layers.Conv2D):
    """A convolution of standardized weights: to scale its kernel changes nothing."""

    def call(self, inputs):
        kernel = self.kernel - keras.ops.mean(self.kernel, axis=(0, 1, 2))
        kernel /= keras.ops.std(self.kernel, axis=(0, 1, 2))
        return keras.ops.conv(inputs, kernel, padding=self.padding)


class _Doubled(keras.layers.BatchNormalization):
    """A normalization with a calculation of its own."""

    def call(self, inputs, **how):
        return 2 * super().call(inputs, **how)


def test_subclasses_compute_what_they_compute(rng):
    x = images = keras.Input((32, 32, 128))
    x = _Standardized(256, 3, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(4, 1)(x)
    x = _Doubled()(x)
    network = keras.Model(images, x)
    for norm in (network.layers[2], network.layers[4]):
        norm.set_weights([rng.uniform(0.5, 2, each.shape) for each in norm.get_weights()])
    pixels = rng.normal(size=(1, 32, 32, 128)).astype(np.float32)
    expected = network(pixels)
    found = kerasnets.for_inference(network, device="cpu")(pixels)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("in_tiles", [True, False])
def test_the_global_policy_of_the_moment_does_not_count(in_tiles):
    images = keras.Input((32, 32, 128))
    network = keras.Model(images, keras.layers.Conv2D(256, 3, padding="same")(images))
    if not in_tiles:
        network = kerasnets.build("resnet50", input_shape=(64, 64, 3), width=0.5)
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        found = kerasnets.for_inference(network, device="cpu")
    finally:
        keras.config.set_dtype_policy(before)
    assert (WinogradConv2D in kinds(found)) == in_tiles
    assert {layer.compute_dtype for layer in found.layers} == {"float32"}


def test_it_may_be_done_twice(rng):
    network = kerasnets.build("resnet20_cifar", classes=3)
    randomize(network, rng)
    fast = kerasnets.for_inference(network)
    agree(network, kerasnets.for_inference(fast), rng)


def test_auxiliary_classifiers_answer_too(rng):
    network = kerasnets.build("googlenet", input_shape=(96, 96, 3), classes=3, auxiliary_heads=True)
    images = rng.normal(size=(2, 96, 96, 3)).astype("float32")
    expected = network(images, training=False)
    found = kerasnets.for_inference(network)(images, training=False)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_a_file_of_it_gives_the_same_answers(tmp_path, rng):
    network = kerasnets.build("densenet40_k12_cifar", classes=3)
    randomize(network, rng)
    fast = kerasnets.for_inference(network)
    fast.save(tmp_path / "fast.keras")
    images = rng.normal(size=(2, 32, 32, 3)).astype("float32")
    again = keras.saving.load_model(tmp_path / "fast.keras")
    np.testing.assert_array_equal(again(images), fast(images))


def test_bad_arguments_are_named():
    network = kerasnets.build("lenet5_modern")
    with pytest.raises(UserError, match="device='gpu'"):
        kerasnets.for_inference(network, device="gpu")
    with pytest.raises(UserError, match="functional.*Received: a Sequential"):
        kerasnets.for_inference(keras.Sequential([keras.layers.Dense(3)]))
    with pytest.raises(UserError, match="_on_images', which holds 'lenet5_modern'"):
        kerasnets.for_inference(
            with_preprocessing(network, kerasnets.info("lenet5_modern").preprocessing)
        )
    images = keras.Input((8, 8, 3))
    with pytest.raises(UserError, match="of layers alone.*holds 'flip"):
        kerasnets.for_inference(keras.Model(images, keras.ops.flip(images, axis=-1)))
    twice = keras.layers.Conv2D(3, 3, padding="same", name="twice")
    with pytest.raises(UserError, match="layer 'twice' is used again"):
        kerasnets.for_inference(keras.Model(images, twice(twice(images))))


@pytest.mark.parametrize("trick", ["folding", "pixels", "winograd"])
def test_each_trick_goes_by_its_name(trick, rng):
    images = keras.Input((56, 56, 128))
    x = keras.layers.Conv2D(256, 3, padding="same", activation="relu", name="wide")(images)
    x = keras.layers.Conv2D(4, 1, name="before")(x)
    x = keras.layers.AveragePooling2D(2, name="pool")(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2D(6, 1, use_bias=False, name="narrow")(x)
    network = keras.Model(images, keras.layers.AveragePooling2D(2, name="pool2")(x))
    randomize(network, rng)
    fast = kerasnets.for_inference(network, fast=(trick,))
    agree(network, fast, rng)
    assert (not norms(fast)) == (trick == "folding")
    swapped = fast.get_layer("narrow").output.shape[1] == 14
    assert swapped == (trick == "pixels")
    assert (WinogradConv2D in kinds(fast)) == (trick == "winograd")


def test_without_tricks_a_network_stays_as_it_is():
    network = kerasnets.build("lenet5_modern")
    assert kerasnets.for_inference(network, fast=("none",)) is network
    for purpose in ("training", "inference"):
        assert faster(network, purpose=purpose, device="any", fast=("winograd",)) is network


@pytest.mark.slow
@pytest.mark.parametrize("name", kerasnets.list_models())
def test_every_network_answers_as_before(name, rng):
    network = small(name)
    randomize(network, rng)
    fast = kerasnets.for_inference(network)
    expected, found = (model(images(network), training=False) for model in (network, fast))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
