import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.fast import winograd_training as winograd
from kerasnets.fast.winograd_training import convolution, winograd_convolutions


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
    """The operations of a layer in a step."""
    layer.build(shape)

    @tf.function
    def step(x: tf.Tensor) -> tf.Tensor:
        with winograd_convolutions([layer]):
            return layer(x)

    graph = step.get_concrete_function(tf.TensorSpec(shape, layer.compute_dtype)).graph
    assert "convolution_op" not in vars(layer)
    return {operation.type for operation in graph.get_operations()}


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


def test_on_a_gpu_all_are_left_to_its_library(monkeypatch):
    monkeypatch.setattr(winograd.tf.config, "list_logical_devices", lambda kind: [kind])
    found = kinds(keras.layers.Conv2D(128, 3, padding="same"), (4, 16, 16, 128))
    assert "Conv2D" in found
