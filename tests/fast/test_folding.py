import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.fast.folding import ChannelAffine, folded
from kerasnets.layers import StochasticDepth


def randomize(network, rng):
    """Statistics as training leaves them: of either sign, and some channels switched off."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.moving_mean.shape
            gamma = rng.uniform(0.5, 1.5, size) * rng.choice([1, 1, -1, 0], size)
            layer.set_weights(
                [
                    *([gamma] if layer.scale else []),
                    rng.normal(0, 0.3, size),
                    rng.normal(0, 0.3, size),
                    rng.uniform(0.5, 2, size),
                ]
            )


def norms(network):
    kinds = (keras.layers.BatchNormalization, ChannelAffine)
    return [layer for layer in network.layers if isinstance(layer, kinds)]


def agree(one, other, rng, tolerance=1e-5):
    images = rng.normal(size=(2, *one.input_shape[1:])).astype("float32")
    expected, found = one(images, training=False), other(images, training=False)
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "size", "left"),
    [
        ("resnet20_cifar", 32, 0),
        ("mobilenet_v1", 32, 0),
        ("shufflenet_v1", 64, 0),
        # One before each of 48 layers and two transitions, and one before the pooling; the second
        # of each layer is behind a convolution.
        ("densenet_bc100_k12_cifar", 32, 51),
        # Before 3x3 convolutions, which pad, and before the pooling; the stem's and the second of
        # each block are behind convolutions.
        ("resnet18_v2", 64, 8),
    ],
)
def test_answers_stay_and_batch_norms_go(name, size, left, rng):
    network = kerasnets.build(
        name, input_shape=(size, size, 3), classes=7, classifier_activation=None
    )
    randomize(network, rng)
    before = [weight.copy() for weight in network.get_weights()]
    small = folded(network)
    assert len(norms(small)) == left
    agree(network, small, rng)
    assert all(np.array_equal(*pair) for pair in zip(before, network.get_weights(), strict=True))


def test_what_else_reads_a_convolution_keeps_it(rng):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(images)
    y = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(4, 3, activation="relu", name="nonlinear")(keras.layers.Add()([x, y]))
    x = keras.layers.BatchNormalization()(x)
    network = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    randomize(network, rng)
    small = folded(network)
    assert len(norms(small)) == 2
    agree(network, small, rng)


def test_a_batch_norm_that_ends_the_network_is_folded_and_one_that_is_also_returned_is_not(rng):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(images)
    y = keras.layers.BatchNormalization()(x)
    alone, both = keras.Model(images, y), keras.Model(images, [x, y])
    randomize(alone, rng)
    assert not norms(folded(alone))
    agree(alone, folded(alone), rng)
    assert len(norms(folded(both))) == 1


def test_dropout_and_rematerialisation_are_left_out(rng):
    network = kerasnets.build(
        "densenet40_k12_cifar", dropout=0.2, remat=True, classes=3, classifier_activation=None
    )
    randomize(network, rng)
    small = folded(network)
    kinds = {type(layer).__name__ for layer in small.layers}
    assert not kinds & {"Dropout", "Rematerialize"}
    agree(network, small, rng)


def test_a_batch_norm_that_stays_may_lack_its_scale_or_shift_or_stand_behind_a_dense_layer(rng):
    images = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization(scale=False)(images)
    x = keras.layers.BatchNormalization(center=False, epsilon=0.1)(keras.layers.ReLU()(x))
    x = keras.layers.ReLU()(keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    x = keras.layers.BatchNormalization()(x)
    network = keras.Model(images, keras.layers.Dense(2)(x))
    for norm in norms(network):
        norm.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in norm.get_weights()])
    agree(network, folded(network), rng)


def test_a_batch_norm_of_another_axis_stays(rng):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3)(images)  # 6 rows, and 6 channels
    network = keras.Model(images, keras.layers.BatchNormalization(axis=1)(x))
    randomize(network, rng)
    agree(network, folded(network), rng)


@pytest.mark.parametrize("rescale", ["inference", "training"])
def test_stochastic_depth_goes_where_it_does_nothing(rescale, rng):
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3)(images)
    y = StochasticDepth(0.5, rescale=rescale)(keras.layers.Conv2D(4, 3, padding="same")(x))
    network = keras.Model(images, keras.layers.Add()([x, y]))
    small = folded(network)
    agree(network, small, rng)
    left = [layer for layer in small.layers if isinstance(layer, StochasticDepth)]
    assert bool(left) == (rescale == "inference")
