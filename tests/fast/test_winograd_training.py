import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.fast.training import with_training_kernels
from kerasnets.fast.winograd_training import convolution


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("sides", [(8, 8), (7, 10), (13, 6)])
def test_convolution_and_gradients_are_those_of_the_plain_one(padding, sides, rng):
    x = tf.constant(rng.normal(size=(3, *sides, 5)), tf.float32)
    kernel = tf.constant(rng.normal(size=(3, 3, 5, 6)), tf.float32)
    weight = None
    results = []
    for of in (
        lambda x, kernel: convolution(x, kernel, pad=int(padding == "SAME")),
        lambda x, kernel: tf.nn.conv2d(x, kernel, 1, padding),
    ):
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            y = of(x, kernel)
            weight = tf.constant(rng.normal(size=y.shape), tf.float32) if weight is None else weight
            loss = tf.reduce_sum(weight * y)
        results.append([y, *tape.gradient(loss, (x, kernel))])
    for tiled, plain in zip(*results, strict=True):
        assert tiled.shape == plain.shape
        largest = np.abs(plain).max()
        np.testing.assert_allclose(tiled, plain, rtol=0, atol=1e-5 * largest)


def test_it_rounds_little_where_channels_are_many(rng):
    x = np.maximum(rng.normal(size=(2, 8, 8, 512)), 0)
    kernel = rng.normal(size=(3, 3, 512, 64)) * (2 / (9 * 512)) ** 0.5
    exact = tf.nn.conv2d(x, kernel, 1, "SAME").numpy()
    tiled = convolution(tf.constant(x, tf.float32), tf.constant(kernel, tf.float32), 1)
    assert np.abs(tiled - exact).max() < 1e-5 * np.abs(exact).max()


def test_a_batch_of_any_size_passes(rng):
    x = rng.normal(size=(3, 8, 8, 4)).astype("float32")
    kernel = tf.constant(rng.normal(size=(3, 3, 4, 4)), tf.float32)
    signature = [tf.TensorSpec((None, 8, 8, 4))]
    traced = tf.function(lambda x: convolution(x, kernel, 1), input_signature=signature)
    np.testing.assert_array_equal(traced(tf.constant(x)), convolution(tf.constant(x), kernel, 1))


def kinds(layer: keras.layers.Layer, shape: tuple[int, ...]) -> set[str]:
    """The operations of a layer in a training step."""
    images = keras.Input(shape[1:])
    model = with_training_kernels(keras.Model(images, layer(images)), {"winograd"})
    step = tf.function(functools.partial(model, training=True))
    operations = step.get_concrete_function(tf.TensorSpec(shape)).graph.get_operations()
    return {operation.type for operation in operations}


def test_large_convolutions_are_computed_in_tiles():
    found = kinds(keras.layers.Conv2D(128, 3, padding="same"), (4, 16, 16, 128))
    assert "BatchMatMulV2" in found
    assert "Conv2D" not in found


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"filters": 64}, (4, 16, 16, 128)),
        ({"filters": 128}, (4, 16, 16, 64)),
        ({"filters": 128, "kernel_size": 1}, (4, 16, 16, 128)),
        ({"filters": 128, "strides": 2}, (4, 16, 16, 128)),
        ({"filters": 128, "dilation_rate": 2}, (4, 16, 16, 128)),
        ({"filters": 128, "dtype": "mixed_bfloat16"}, (4, 16, 16, 128)),
        ({"filters": 128}, (64, 5, 5, 128)),
        ({"filters": 128}, (1, 16, 16, 128)),
    ],
    ids=str,
)
def test_others_are_left_to_keras(options, shape):
    layer = keras.layers.Conv2D(**{"kernel_size": 3, "padding": "same", **options})
    assert "Conv2D" in kinds(layer, shape)


VERBOSE = """
import tensorflow as tf
x, kernel = tf.ones((8, 16, 16, 128)), tf.ones((3, 3, 128, 128))
with tf.GradientTape() as tape:
    tape.watch((x, kernel))
    y = tf.nn.conv2d(x, kernel, 1, "SAME")
tape.gradient(y, (x, kernel))
"""


def test_onednn_has_no_such_convolutions():
    """Where this fails, TensorFlow's library may be as fast: measure again whether ours is needed."""
    shown = subprocess.run(
        [sys.executable, "-c", VERBOSE],
        env={**os.environ, "ONEDNN_VERBOSE": "1", "TF_ENABLE_ONEDNN_OPTS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    convolutions = [line for line in shown.splitlines() if ",convolution," in line]
    assert convolutions
    assert not any("wino" in line for line in convolutions)


@pytest.mark.parametrize(
    "options", [{}, {"padding": "valid", "activation": "relu"}, {"use_bias": False}], ids=str
)
def test_a_layer_in_tiles_gives_what_the_layer_gives(options, rng):
    images = keras.Input((16, 16, 128))
    layer = keras.layers.Conv2D(128, 3, bias_initializer="ones", **{"padding": "same", **options})
    plain = keras.Model(images, layer(images))
    fast = with_training_kernels(plain, {"winograd"})
    assert fast is not plain
    x = rng.normal(size=(4, 16, 16, 128)).astype("float32")
    expected = np.asarray(plain(x))
    most = np.abs(expected).max()
    np.testing.assert_allclose(fast(x, training=True), expected, atol=1e-4 * most)
