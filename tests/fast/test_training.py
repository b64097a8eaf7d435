"""Networks that compute a training step in the place of others."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets.fast.faster import faster
from kerasnets.layers import DenseConcat, Rematerialize


def step(model: keras.Model, variables: list) -> tuple[list[np.ndarray], list[str]]:
    """Outputs and gradients of a step, and the operations that computed them."""
    shape = (8, *model.input_shape[1:])
    images = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)

    @tf.function
    def traced() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = tf.reduce_mean(outputs**2)
        return [outputs, *tape.gradient(loss, [variable.value for variable in variables])]

    operations = traced.get_concrete_function().graph.get_operations()
    return [each.numpy() for each in traced()], [operation.type for operation in operations]


def agree(make) -> tuple[list[str], list[str]]:
    """Checks a step of a network against that of its faster form; their operations."""
    results = []
    for fast in (("none",), ("auto",)):
        random.seed(0)
        network = make()
        model = faster(network, purpose="training", device="cpu", fast=fast)
        values, operations = step(model, network.trainable_variables)
        # What a step moves besides: statistics, and the state of each generator of random numbers.
        moved = [variable.numpy() for variable in network.non_trainable_variables]
        results.append(([*values, *moved], operations))
    (expected, plain), (found, fast) = results
    for a, b in zip(found, expected, strict=True):
        # Rounding grows through forty layers; another draw or statistic would differ by the whole.
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-2 * np.abs(b).max())
    return plain, fast


def test_variables_are_those_of_the_network_in_its_order():
    network = kerasnets.build("resnet20_cifar", classes=5)
    fast = faster(network, purpose="training", device="cpu")
    assert fast is not network
    assert list(map(id, fast.variables)) == list(map(id, network.variables))
    assert [layer.name for layer in fast.layers] == [layer.name for layer in network.layers]
    # The network is as it was: its layers are used once, so it can still be rewritten.
    kerasnets.for_inference(network)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet20_cifar", {}),
        ("mobilenet_v1", {"input_shape": (32, 32, 3), "width": 0.25}),
        ("densenet40_k12_cifar", {"dropout": 0.2}),
    ],
)
def test_a_step_is_that_of_the_network(name, options):
    plain, fast = agree(lambda: kerasnets.build(name, classes=5, **options))
    assert "FusedBatchNormV3" in set(fast) - set(plain)


def rows() -> keras.Model:
    """Two rows of layers, each computed again in the backward pass."""
    images = keras.Input((6, 6, 3), name="images")
    parts = [images]
    for row in range(2):
        y = DenseConcat(name=f"concat{row}")(parts) if row else images
        y = keras.layers.BatchNormalization(momentum=0.5, name=f"bn{row}")(y)
        y = keras.layers.Dropout(0.3, seed=row, name=f"drop{row}")(y)
        y = keras.layers.Conv2D(4, 1, use_bias=False, name=f"conv{row}")(y)
        parts.append(Rematerialize(name=f"remat{row}")([y, *parts]))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D(name="pool")(parts[-1]))


def test_what_is_computed_again_is_computed_by_the_same_kernels():
    plain, fast = agree(rows)
    # Keras' own takes square roots; the kernel computes each batch norm forwards, forwards for the
    # gradient, and backwards.
    assert "Rsqrt" in plain
    assert "Rsqrt" not in fast
    assert fast.count("FusedBatchNormV3") == 6


def test_what_cannot_be_rewritten_is_trained_as_it_is():
    inner = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.BatchNormalization()])
    images = keras.Input((4, 4, 3))
    for network in (inner, keras.Model(images, inner(images))):
        assert faster(network, purpose="training", device="cpu") is network


def test_kernels_are_for_cpus():
    network = kerasnets.build("resnet20_cifar")
    assert faster(network, purpose="training", device="any") is network
