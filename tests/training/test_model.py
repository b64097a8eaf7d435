import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.config import recipe
from kerasnets.inputs import Preprocessing
from kerasnets.layers import StochasticDepth
from kerasnets.training import model as model_module
from kerasnets.training.model import TrainingModel
from kerasnets.training.networks import precision

AS_IT_IS = Preprocessing(size=(6, 6), mean=(0.5,), std=(0.25,))
CHOSEN = recipe(
    "resnet_cifar",
    schedule="constant",
    warmup_epochs=0,
    learning_rate=0.1,
    base_batch_size=None,
    weight_decay=1e-3,
)


def network(*, norm: bool = False, side: bool = False) -> keras.Model:
    """Two convolutions and a classifier, with batch norm and an auxiliary classifier if asked."""
    layers = keras.layers
    random.seed(3)
    images = keras.Input((6, 6, 1))
    x = layers.Conv2D(4, 3, name="conv")(images)
    if norm:
        x = layers.BatchNormalization(momentum=0.8, name="bn")(x)
    x = layers.Flatten(name="flat")(layers.ReLU(name="relu")(x))
    logits = layers.Dense(7, dtype="float32", name="logits")(x)
    if side:
        aux = layers.Dense(7, dtype="float32", name="aux1_logits")(x)
        return keras.Model(images, {"predictions": logits, "aux1": aux})
    return keras.Model(images, logits)


def batch(rng, size=128):
    images = rng.integers(0, 256, (size, 6, 6, 1)).astype(np.uint8)
    return images, rng.integers(0, 7, size).astype(np.int32)


def fit(model, batches):
    images, labels = (np.concatenate(each) for each in zip(*batches, strict=True))
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(len(batches[0][0]))
    return model.fit(data, verbose=0, shuffle=False).history


def training_model(chosen=CHOSEN, **kind) -> TrainingModel:
    with precision(chosen):
        return TrainingModel(network(**kind), AS_IT_IS, chosen, 10)


def weights(model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.network.weights]


def changed(**changes):
    return recipe("resnet_cifar", **{**VALUES, **changes})


VALUES = {
    name: getattr(CHOSEN, name)
    for name in ("schedule", "warmup_epochs", "learning_rate", "base_batch_size", "weight_decay")
}


def test_four_parts_of_32_are_one_batch_of_128(rng):
    batches = [batch(rng), batch(rng), batch(rng)]
    whole, parts = training_model(), training_model(changed(accumulate=4))
    histories = [fit(model, batches) for model in (whole, parts)]
    for a, b in zip(weights(whole), weights(parts), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert histories[1]["loss"] == pytest.approx(histories[0]["loss"], rel=1e-5)
    assert histories[1]["accuracy"] == pytest.approx(histories[0]["accuracy"])
    assert int(parts.optimizer.iterations) == 3


def test_averages_follow_weights_and_batch_norm_statistics(rng):
    """Against a loop by hand over the weights that each step leaves behind."""
    plain, averaged = training_model(norm=True), training_model(changed(ema=0.35), norm=True)
    expected = weights(plain)
    for count in range(1, 6):
        images, labels = batch(rng, 16)
        plain.train_on_batch(images, labels)
        averaged.train_on_batch(images, labels)
        momentum = min(0.35, (1 + count) / (10 + count))
        expected = [
            momentum * mean + (1 - momentum) * weight
            for mean, weight in zip(expected, weights(plain), strict=True)
        ]
    assert any("moving_variance" in weight.path for weight in averaged.network.weights)
    own = weights(averaged)
    for a, b in zip(own, weights(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    with averaged.averaged():
        for a, b in zip(weights(averaged), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(weights(averaged), own, strict=True):
        np.testing.assert_array_equal(a, b)
    averaged.use_averages()
    for a, b in zip(weights(averaged), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def cross_entropy(logits, labels, smoothing=0.0):
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    targets = (1 - smoothing) * np.eye(7)[labels] + smoothing / 7
    return -(targets * logs).sum(1).mean()


def test_auxiliary_classifiers_count_by_their_weight_in_training_alone(rng):
    chosen = changed(auxiliary_loss=0.3, label_smoothing=0.1)
    model = training_model(chosen, side=True)
    images, labels = batch(rng)
    logits = {name: out.numpy() for name, out in model(images).items()}
    main, side = (cross_entropy(logits[name], labels, 0.1) for name in ("predictions", "aux1"))
    plain = cross_entropy(logits["predictions"], labels)
    measured = model.test_on_batch(images, labels, return_dict=True)
    assert measured["loss"] == pytest.approx(plain, rel=1e-5)
    right = (logits["predictions"].argmax(1) == labels).mean()
    assert measured["accuracy"] == pytest.approx(right)
    trained = model.train_on_batch(images, labels, return_dict=True)
    assert trained["loss"] == pytest.approx(main + 0.3 * side, rel=1e-5)


def test_mixed_labels_train(rng):
    images, labels = batch(rng, 8)
    other = np.roll(labels, 1)
    mixed = (0.7 * np.eye(7)[labels] + 0.3 * np.eye(7)[other]).astype("f")
    model = training_model()
    logits = model(images).numpy()
    found = model.train_on_batch(images, mixed, return_dict=True)
    expected = 0.7 * cross_entropy(logits, labels) + 0.3 * cross_entropy(logits, other)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found["accuracy"] == pytest.approx((logits.argmax(1) == labels).mean())


@pytest.mark.parametrize("half", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_float32_weights(rng, half):
    model, reference = training_model(changed(precision=half), norm=True), training_model(norm=True)
    images, labels = batch(rng)
    for each in (model, reference):
        first = each.train_on_batch(images, labels)
        for _ in range(4):
            last = each.train_on_batch(images, labels)
    assert model.network.get_layer("conv").compute_dtype == half.removeprefix("mixed_")
    assert {weight.dtype for weight in model.network.weights} == {"float32"}
    assert last[0] < first[0] if isinstance(last, list) else last < first
    for a, b in zip(weights(model), weights(reference), strict=True):
        np.testing.assert_allclose(a, b, atol=0.03)
    assert keras.config.dtype_policy().name == "float32"


def test_a_gradient_out_of_range_is_skipped(rng):
    """float16 reaches to 65,504: the scale of the loss falls until the gradients fit."""
    model = training_model(changed(precision="mixed_float16"))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.dynamic_scale.assign(2.0**40)
    before = weights(model)
    model.train_on_batch(*batch(rng))
    for a, b in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(model.optimizer.dynamic_scale) == 2.0**39


def test_frozen_batch_norm_keeps_its_statistics(rng):
    model = training_model(norm=True)
    model.network.get_layer("bn").trainable = False
    frozen = TrainingModel(model.network, AS_IT_IS, CHOSEN, 10)
    before = model.network.get_layer("bn").get_weights()
    frozen.train_on_batch(*batch(rng))
    for a, b in zip(model.network.get_layer("bn").get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "changes", [{}, {"accumulate": 2}, {"optimizer": "adam", "learning_rate": 0.01}], ids=str
)
def test_a_faster_step_learns_what_a_plain_one_does(rng, changes):
    images = rng.integers(0, 256, (16, 12, 12, 3)).astype(np.uint8)
    labels = rng.integers(0, 5, 16).astype(np.int32)
    learned = []
    for fast in (("auto",), ("none",)):
        random.seed(3)
        x = inputs = keras.Input((12, 12, 3))
        for number in (1, 2, 3):
            # A bias in front of a batch norm would move by rounding alone.
            x = keras.layers.Conv2D(
                128, 3, padding="same", use_bias=number == 2, name=f"conv{number}"
            )(x)
            x = x if number == 2 else keras.layers.BatchNormalization(name=f"bn{number}")(x)
            x = keras.layers.ReLU(name=f"relu{number}")(x)
            x = StochasticDepth(0.2, seed=number, name=f"drop{number}")(x)
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
        x = keras.layers.Dropout(0.2, seed=0, name="dropout")(x)
        network = keras.Model(inputs, keras.layers.Dense(5, name="logits")(x))
        wide = Preprocessing(size=(12, 12), mean=(0.5,), std=(0.25,))
        model = TrainingModel(network, wide, changed(**changes), 10, fast=fast)
        assert (model.on_images.layers[-1] is network) == (fast == ("none",))
        fit(model, 3 * [(images, labels)])
        learned.append((model, weights(model)))
    (fast, found), (plain, expected) = learned
    for part in ("trainable_variables", "non_trainable_variables", "metrics_variables"):
        # Keras numbers generators of random numbers through the process.
        one, other = (
            [re.sub(r"_\d+", "", v.path) for v in getattr(each, part)] for each in (fast, plain)
        )
        assert one == other
    for a, b in zip(found, expected, strict=True):
        # Tiles round otherwise: a value at the edge of a ReLU falls to the other side now and then,
        # which shows in the small biases most.
        limit = 2e-2 if b.ndim == 1 and np.abs(b).max() < 0.01 else 1e-3
        assert np.linalg.norm(a - b) <= limit * np.linalg.norm(b)


@pytest.mark.parametrize(
    ("device", "fast", "compiled", "fused"),
    [
        ("cpu", "auto", False, True),
        ("cpu", "optimizer", False, True),
        ("cpu", "winograd", False, False),
        ("cpu", "xla", True, False),
        ("any", "auto", "auto", False),
        ("any", "none", False, False),
    ],
)
def test_kernels_are_for_cpus_and_gpus_compile(monkeypatch, device, fast, compiled, fused):
    asked = {}
    compiling = keras.Model.compile

    def recorded(self, **options):
        asked.update(options)
        compiling(self, **options)

    monkeypatch.setattr(keras.Model, "compile", recorded)
    monkeypatch.setattr(model_module, "keras_device", lambda: device)
    TrainingModel(network(norm=True), AS_IT_IS, CHOSEN, 10, fast=(fast,))
    assert (asked["jit_compile"], asked["optimizer"].fused) == (compiled, fused)
