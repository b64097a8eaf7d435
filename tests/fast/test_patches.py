import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.config import recipe
from kerasnets.config.recipe_fields import Recipe
from kerasnets.fast import patches
from kerasnets.fast.patches import is_worth_compiling, largest, pooled_convolution
from kerasnets.inputs import Preprocessing
from kerasnets.training.trainee import Trainee

AS_IT_IS = Preprocessing(size=(18, 18), mean=(0.5,), std=(0.25,))
CHOSEN = recipe("lenet_modern", warmup_epochs=0, epochs=3)


def network(*, last: keras.layers.Layer | None = None, **options) -> keras.Model:
    """Two convolutions, each with pooling, and a classifier."""
    layers = keras.layers
    keras.utils.set_random_seed(3)
    images = keras.Input((18, 18, 1))
    x = layers.Conv2D(**{"filters": 4, "kernel_size": 5, "padding": "same"} | options)(images)
    x = layers.MaxPooling2D()(layers.Activation("relu")(x))
    x = layers.Conv2D(8, 3, activation="tanh", bias_initializer="normal")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x if last is None else last(x))
    return keras.Model(images, layers.Dense(10)(x))


def batches(rng) -> tf.data.Dataset:
    images = rng.integers(0, 256, (12, 8, 18, 18, 1)).astype(np.uint8)
    # Whole windows without anything, as in drawn digits.
    images[:, :, :6] = 0
    labels = rng.integers(0, 10, (12, 8)).astype(np.int32)
    return tf.data.Dataset.from_tensor_slices((images, labels))


def learned(
    data: tf.data.Dataset, together: int = 4, chosen: Recipe = CHOSEN, **options
) -> tuple[Trainee, list[np.ndarray]]:
    """A trainee after an epoch of 12 steps, and the loss with its weights."""
    model = Trainee(network(**options), AS_IT_IS, chosen, 12)
    starts = model.start_together(together, 12)
    history = model.fit(data, steps_per_epoch=starts, shuffle=False, verbose=0).history
    return model, [history["loss"][-1], *(weight.numpy() for weight in model.network.weights)]


@pytest.mark.parametrize("pad", [0, 2])
@pytest.mark.parametrize("shape", [(28, 28, 1), (14, 14, 6), (11, 9, 3)])
def test_results_and_gradients_are_those_of_the_plain_layers(shape, pad, rng):
    x = tf.constant(rng.normal(size=(3, *shape)), tf.float32)
    kernel = tf.constant(rng.normal(size=(5, 5, shape[-1], 6)), tf.float32)

    def plain(x, kernel):
        padded = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
        return tf.nn.max_pool2d(tf.nn.conv2d(padded, kernel, 1, "VALID"), 2, 2, "VALID")

    results = []
    for of in (lambda x, kernel: pooled_convolution(x, kernel, pad), plain):
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            y = of(x, kernel)
            loss = tf.reduce_sum(y * tf.reshape(tf.cos(tf.range(float(tf.size(y)))), y.shape))
        results.append([y, *tape.gradient(loss, (x, kernel))])
    for ours, other in zip(*results, strict=True):
        assert ours.shape == other.shape
        np.testing.assert_allclose(ours, other, rtol=0, atol=1e-5 * np.abs(other).max())


def test_the_first_of_equal_ones_gets_the_gradient(rng):
    x = tf.constant(rng.integers(0, 2, (100, 4, 3)), tf.float32)
    weight = tf.constant(rng.normal(size=(100, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(weight * largest(x))
    first = np.eye(4)[np.argmax(x, axis=1)].transpose(0, 2, 1)
    expected = first * weight.numpy()[:, np.newaxis]
    np.testing.assert_array_equal(tape.gradient(loss, x), expected)


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"ema": 0.9}])
def test_a_compiled_step_learns_what_a_plain_one_does(changes, rng, monkeypatch):
    data, chosen = batches(rng), recipe("lenet_modern", warmup_epochs=0, epochs=3, **changes)
    plain, expected = learned(data, chosen=chosen)
    monkeypatch.setattr(patches, "STEPS", 36)
    compiled, found = learned(data, chosen=chosen)
    for model, values in ((plain, expected), (compiled, found)):
        model.use_averages()
        values += [weight.numpy() for weight in model.network.weights]
    assert (plain.step_compiled, compiled.step_compiled) == (False, True)
    for ours, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"last": keras.layers.Dropout(0.5, seed=1)}])
def test_a_compiled_step_repeats_bit_by_bit_however_many_start_together(options, rng, monkeypatch):
    monkeypatch.setattr(patches, "STEPS", 36)
    data = batches(rng)
    runs = []
    for together in (4, 4, 1):
        fresh = {name: layer.from_config(layer.get_config()) for name, layer in options.items()}
        runs.append(learned(data, together, **fresh)[1])
    for first, *others in zip(*runs, strict=True):
        for other in others:
            np.testing.assert_array_equal(other, first)


def test_no_convolution_is_left_in_a_compiled_step_and_the_layers_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(patches, "STEPS", 36)
    model = Trainee(network(), AS_IT_IS, CHOSEN, 12)
    signature = (tf.TensorSpec((8, 18, 18, 1), tf.uint8), tf.TensorSpec((8,), tf.int32))
    graph = tf.function(model.train_step).get_concrete_function(signature).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert "MatMul" in kinds
    assert not kinds & {"Conv2D", "Conv2DBackpropFilter", "MaxPool", "MaxPoolGrad"}
    assert not any("call" in vars(layer) for layer in model.network.layers)


@pytest.mark.parametrize(
    "options",
    [
        {"filters": 32},
        {"strides": 2},
        {"dilation_rate": 2},
        {"kernel_size": (5, 3)},
        {"activation": "gelu"},
        {"dtype": "mixed_bfloat16"},
        {"last": keras.layers.BatchNormalization()},
        {"last": keras.layers.Conv2D(4, 1)},
    ],
)
def test_other_networks_are_not_compiled(options):
    assert is_worth_compiling(network(), patches.STEPS)
    assert not is_worth_compiling(network(), patches.STEPS - 1)
    assert not is_worth_compiling(network(**options), patches.STEPS)


def test_a_map_that_others_see_too_is_kept():
    layers = keras.layers
    images = keras.Input((18, 18, 1))
    x = layers.Conv2D(4, 5)(images)
    y = layers.MaxPooling2D()(x)
    assert patches._chains(keras.Model(images, y))
    assert not patches._chains(keras.Model(images, [x, y]))


def test_replicas_are_not_compiled():
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        assert not is_worth_compiling(network(), patches.STEPS)
