"""Maps of a trained network lie on what it goes by."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.explanation import METHODS

SIDE = 96


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The digits of scikit-learn, three times as large: (1797, 24, 24) in [0, 1], and labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.kron(found.images / 16, np.ones((1, 3, 3))).astype(np.float32), found.target


def on_canvas(digits: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Digits anywhere on a canvas of faint noise, and the corners where they lie."""
    images = 0.1 * rng.standard_normal((len(digits), SIDE, SIDE, 1)).astype(np.float32)
    corners = rng.integers(0, SIDE - 24 + 1, (len(digits), 2))
    for image, digit, (top, left) in zip(images, digits, corners, strict=True):
        image[top : top + 24, left : left + 24, 0] += digit
    return images, corners


@pytest.fixture(scope="module")
def trained(digits) -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((SIDE, SIDE, 1))
    x = images
    for filters, size, stride in ((16, 5, 2), (32, 3, 1), (64, 3, 1)):
        x = keras.layers.Conv2D(filters, size, stride, "same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling2D(2)(x) if filters < 64 else x
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    small, labels = digits
    for rate in (3e-3,) * 18 + (1e-3,) * 5 + (2e-4,) * 2:
        model.optimizer.learning_rate = rate
        model.fit(on_canvas(small[300:], rng)[0], labels[300:], batch_size=32, verbose=0)
    accuracy = model.evaluate(on_canvas(small[:300], rng)[0], labels[:300], verbose=0)[1]
    assert accuracy > 0.9
    return model


@pytest.fixture(scope="module")
def canvases(digits, trained) -> tuple[np.ndarray, np.ndarray]:
    """Images that the network is right about, and where their digits are."""
    small, labels = digits
    images, corners = on_canvas(small[:120], np.random.default_rng(1))
    right = trained.predict(images, verbose=0).argmax(axis=1) == labels[:120]
    return images[right][:100], corners[right][:100]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_largest_value_lies_on_the_digit(method, trained, canvases):
    """The pointing game of Zhang et al. 2016, arXiv 1608.00507, section 4, without a margin."""
    count = 100 if method not in ("smooth_grad", "integrated_gradients", "occlusion") else 20
    images, corners = (each[:count] for each in canvases)
    maps = kerasnets.explain(trained, images, method)
    places = np.array([np.unravel_index(each.argmax(), each.shape) for each in maps])
    hits = ((places >= corners) & (places < corners + 24)).all(axis=1)
    assert hits.mean() >= 0.95


def curve(model: keras.Model, image: np.ndarray, order: np.ndarray, insert: bool) -> float:
    """The mean probability of the class while pixels go, or come, in an order.

    Petsiuk et al. 2018, arXiv 1806.07421, section 4.2.
    """
    label = int(model(image[None]).numpy().argmax())
    steps = []
    for part in np.linspace(0, 1, 17):
        chosen = np.zeros(order.size, bool)
        chosen[order[: round(part * order.size)]] = True
        steps.append(np.where((chosen == insert).reshape(*image.shape), image, 0))
    return float(model(np.stack(steps)).numpy()[:, label].mean())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_deletion_and_insertion_beat_random_maps(method, trained, canvases):
    images = canvases[0][:12]
    maps = kerasnets.explain(trained, images, method)
    rng = np.random.default_rng(2)
    # As smooth as the maps: bilinear noise.
    noise = rng.standard_normal((len(images), 12, 12, 1))
    random = np.asarray(keras.ops.image.resize(noise, (SIDE, SIDE)))[..., 0]
    found = {
        (name, insert): np.mean([
            curve(trained, image, np.argsort(-each, axis=None, kind="stable"), insert)
            for image, each in zip(images, drawn, strict=True)
        ])
        for (name, drawn), insert in itertools.product(
            {"map": maps, "random": random}.items(), (False, True)
        )
    }  # fmt: skip
    assert found["map", False] < found["random", False] - 0.1
    assert found["map", True] > found["random", True] + 0.1
