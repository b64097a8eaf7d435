import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets.models.blocks import Style
from kerasnets.models.inception_branches import average_pool_branch, branch, fork
from tests.slow import slow_except

# The smallest square images: on the 17x17 map from v3 on, a valid 5x5 convolution follows pooling.
SMALLEST = {
    "googlenet": 80,
    "googlenet_bn": 80,
    "inception_v3": 299,
    "inception_v4": 299,
    "inception_resnet_v2": 299,
}


def names(model):
    return [layer.name for layer in model.layers[1:]]


def test_a_branchs_only_convolution_has_no_number():
    x = keras.Input((9, 9, 3))
    assert names(keras.Model(x, branch(x, Style(), (4, 1), name="b"))) == ["b_conv", "b_conv_act"]
    model = keras.Model(x, branch(x, Style(), (4, 1), (5, 3), (6, 3, 2, "valid"), name="b"))
    assert names(model)[::2] == ["b_conv1", "b_conv2", "b_conv3"]
    assert [layer.output.shape[1:] for layer in model.layers[1::2]] == [
        (9, 9, 4),
        (9, 9, 5),
        (4, 4, 6),
    ]


def test_a_fork_is_1x3_beside_3x1():
    x = keras.Input((9, 9, 3))
    model = keras.Model(x, fork(x, Style(), 4, name="c"))
    kernels = {name: model.get_layer(name).kernel.shape for name in ("ca", "cb")}
    assert kernels == {"ca": (1, 3, 3, 4), "cb": (3, 1, 3, 4)}


@pytest.mark.parametrize("option", ["exclude_pad", "include_pad"])
def test_average_pooling_divides_by_what_it_counts(option):
    images = keras.Input((5, 6, 2))
    y = average_pool_branch(images, Style(kernel_initializer="ones"), 1, option, name="pool")
    x = np.random.default_rng(0).uniform(size=(1, 5, 6, 2)).astype("float32")
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    there = np.pad(np.ones((5, 6)), 1)
    expected = np.empty((5, 6))
    for row, column in np.ndindex(5, 6):
        window = np.s_[row : row + 3, column : column + 3]
        count = 9 if option == "include_pad" else there[window].sum()
        # The convolution of ones adds the two channels.
        expected[row, column] = padded[0][window].sum() / count
    # float32 sums of 18 terms of order one.
    np.testing.assert_allclose(keras.Model(images, y)(x)[0, ..., 0], expected, rtol=1e-5)


# The others are made of the blocks and the classifier of v3, or have GoogLeNet's twice.
@pytest.mark.parametrize(
    ("name", "size"), slow_except(("googlenet", "inception_v3"), SMALLEST.items())
)
def test_every_weight_learns_from_one_step_with_auxiliary_classifiers(name, size):
    random.seed(0)
    model = kerasnets.build(
        name,
        input_shape=(size, size, 3),
        classes=4,
        # Without batch normalisation a layer of one filter may be silent for all images.
        width=1 / 4 if name == "googlenet" else 1 / 16,
        classifier_activation=None,
        auxiliary_heads=True,
    )
    images = np.random.default_rng(0).standard_normal((4, size, size, 3)).astype("float32")
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(images, training=True))
        loss = sum(loss_of(np.arange(4), logits) for logits in outputs)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert np.isfinite(float(loss))
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), weight.path
