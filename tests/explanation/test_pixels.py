"""Explanations by the pixels, against sums and loops by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets.explanation import Classifier, integrated_gradients, occlusion, smooth_grad
from tests.models.test_registered import small


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    images = keras.Input((14, 10, 2))
    x = keras.layers.Conv2D(8, 3, activation="relu")(images)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="last")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(images, keras.layers.Dense(3, activation="softmax", name="dense")(x))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((14, 10, 2)).astype(np.float32)


def logit(network: keras.Model, images: np.ndarray, label: int) -> np.ndarray:
    """From the probabilities' layer alone, by its weights."""
    last = network.get_layer("dense")
    kernel, bias = last.get_weights()
    return np.asarray(keras.Model(network.input, last.input)(images) @ kernel + bias)[:, label]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_integrated_gradients_sum_to_the_difference_of_the_logits(label, network, image):
    found = integrated_gradients(Classifier(network), image, label)
    ends = logit(network, np.stack([image, 0 * image]), label)
    assert found.shape == image.shape[:2]
    assert found.sum() == pytest.approx(ends[0] - ends[1], rel=0.01)


@pytest.mark.parametrize(
    "name",
    ["lenet5_modern", pytest.param("resnet20_cifar", marks=pytest.mark.slow),
     pytest.param("vgg11", marks=pytest.mark.slow)],
)  # fmt: skip
def test_integrated_gradients_of_networks_are_complete(name):
    model = small(name)
    x = np.random.default_rng(0).standard_normal((1, *model.input_shape[1:])).astype(np.float32)
    found = kerasnets.explain(model, x, "integrated_gradients", class_index=1)
    before, after = np.asarray(model(np.concatenate([0 * x, x])))[:, 1]
    assert found[0].sum() == pytest.approx(after - before, rel=0.01)


def test_a_linear_networks_integrated_gradients_are_weights_times_pixels(image):
    model = keras.Sequential([
        keras.Input((14, 10, 2)), keras.layers.Flatten(), keras.layers.Dense(3)
    ])  # fmt: skip
    kernel = model.layers[-1].get_weights()[0][:, 1].reshape(image.shape)
    found = integrated_gradients(Classifier(model), image, 1)
    np.testing.assert_allclose(found, (kernel * image).sum(axis=2), atol=1e-5)
    # Noise changes nothing in a gradient that is the same everywhere.
    found = smooth_grad(Classifier(model), image, 1)
    np.testing.assert_allclose(found, np.abs(kernel).max(axis=2), atol=1e-5)


def test_smooth_grad_is_the_mean_of_noisy_gradients(network, image):
    rng = np.random.default_rng(0)
    deviation = 0.15 * (image.max() - image.min())
    total = 0
    for _ in range(7):
        noisy = tf.constant(image + deviation * rng.standard_normal(image.shape, np.float32))[None]
        with tf.GradientTape() as tape:
            tape.watch(noisy)
            last = network.get_layer("dense")
            x = keras.Model(network.input, last.input)(noisy)
            score = tf.matmul(x, last.kernel.value)[0, 2]
        total = total + tape.gradient(score, noisy)[0].numpy()
    found = smooth_grad(Classifier(network), image, 2, samples=7)
    np.testing.assert_allclose(found, np.abs(total / 7).max(axis=2), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("side", "stride"), [(4, 3), (5, 5), (1, 1), (20, 7)])
def test_occlusion_is_what_a_loop_finds(side, stride, network, image):
    found = occlusion(Classifier(network), image, 1, side=side, stride=stride)
    height, width = image.shape[:2]
    falls = [[[] for _ in range(width)] for _ in range(height)]
    tops, lefts = (
        sorted({*range(0, max(0, length - side), stride), max(0, length - side)})
        for length in (height, width)
    )
    for top in tops:
        for left in lefts:
            hidden = image.copy()
            hidden[top : top + side, left : left + side] = image.mean(axis=(0, 1))
            before, after = logit(network, np.stack([image, hidden]), 1)
            for y in range(top, min(height, top + side)):
                for x in range(left, min(width, left + side)):
                    falls[y][x].append(before - after)
    expected = [[np.mean(each) for each in row] for row in falls]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("method", ["smooth_grad", "integrated_gradients", "occlusion"])
def test_another_weight_gives_another_map(method, network, image):
    """Adebayo et al. 2018, section 3."""
    model = keras.models.clone_model(network)
    model.set_weights(network.get_weights())
    before = kerasnets.explain(model, image[None], method, 1)
    for name in ("dense", "last"):
        layer = model.get_layer(name)
        rng = np.random.default_rng(3)
        layer.set_weights([rng.standard_normal(each.shape) for each in layer.get_weights()])
        after = kerasnets.explain(model, image[None], method, 1)
        assert np.abs(after - before).max() > 0.05 * np.abs(before).max()
        before = after
