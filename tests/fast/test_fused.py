import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.fast.fused import SGD, fused_batch_norms


def normalized(rng, fused: bool, **options) -> list[np.ndarray]:
    """Outputs, gradients and moving statistics of a training step of one batch norm."""
    images, weight = (tf.constant(rng.normal(3.0, 2.0, (5, 4, 6, 7)), tf.float32) for _ in range(2))
    layer = keras.layers.BatchNormalization(momentum=0.8, **options)
    layer.build(images.shape)
    for variable in layer.trainable_variables:
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))

    @tf.function
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape, fused_batch_norms([layer] if fused else []):
            tape.watch(images)
            outputs = layer(images, training=True)
            loss = tf.reduce_sum(weight * outputs)
        watched = [images, *(variable.value for variable in layer.trainable_variables)]
        return [outputs, *tape.gradient(loss, watched)]

    found = [value.numpy() for value in step()]
    assert "call" not in vars(layer)
    operations = {
        operation.type for operation in step.get_concrete_function().graph.get_operations()
    }
    assert ("FusedBatchNormV3" in operations) == fused
    return [*found, *(variable.numpy() for variable in layer.non_trainable_variables)]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}], ids=str)
def test_one_kernel_does_what_keras_batch_norm_does(options):
    fused, own = (normalized(np.random.default_rng(1), each, **options) for each in (True, False))
    for a, b in zip(fused, own, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize(
    ("shape", "options"), [((5, 7), {}), ((5, 4, 6, 7), {"axis": 1}), ((5, 4, 6, 7), {"frozen": 1})]
)
def test_what_the_kernel_cannot_do_is_left_to_keras(shape, options, rng):
    frozen = options.pop("frozen", False)
    layer = keras.layers.BatchNormalization(**options)
    layer.trainable = not frozen
    x = rng.normal(size=shape).astype("float32")
    expected = layer(x, training=True)
    layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
    with fused_batch_norms([layer]):
        np.testing.assert_array_equal(layer(x, training=True), expected)


def test_replicas_may_begin_before_others_have_ended():
    layer = keras.layers.BatchNormalization()
    layer.build((2, 4, 4, 3))
    first, second = fused_batch_norms([layer]), fused_batch_norms([layer])
    first.__enter__()
    fused = layer.call
    second.__enter__()
    first.__exit__(None, None, None)
    assert layer.call is fused
    second.__exit__(None, None, None)
    assert "call" not in vars(layer)


@pytest.mark.parametrize("nesterov", [False, True])
def test_one_kernel_does_what_keras_sgd_does(nesterov, rng):
    start, gradient = rng.normal(size=(2, 3, 50)).astype("float32")
    results = []
    for kind in (SGD, keras.optimizers.SGD):
        optimizer, variable = kind(0.1, momentum=0.9, nesterov=nesterov), keras.Variable(start)
        optimizer.build([variable])
        step = tf.function(functools.partial(optimizer.apply, [tf.constant(gradient)]))
        graph = step.get_concrete_function().graph
        kernels = {operation.type for operation in graph.get_operations()}
        assert ("ResourceApplyKerasMomentum" in kernels) == (kind is SGD)
        for _ in range(3):
            step()
        results.append([variable.numpy(), optimizer.momentums[0].numpy()])
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


def test_without_momentum_keras_takes_the_step():
    optimizer, variable = SGD(0.5), keras.Variable([1.0])
    optimizer.apply([tf.constant([1.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), 0.5)
